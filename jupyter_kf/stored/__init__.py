"""Graphs stored for later: saved once, looked at, run here, on the cluster or by themselves.

A stored graph is data: no Python of whoever made it runs when it is loaded. Its versions are numbered from 1
and never change; training gives the next one. The package is not called ``graphs``, as it would take the
place of `jupyter_kf.graphs()`. Importing it loads no TensorFlow; saving, calling and restoring a graph
does.

==============  ==========================================================================================
module          what it has
==============  ==========================================================================================
``record``      `GraphRecord`: what is known of a version without reading its graph. JSON both ways
``shelf``       where versions lie in an `ArtifactStore`: ``list_graphs``, ``list_versions``, ``read_record``,
                ``rename_graph``, ``delete_graph``, ``copy_graph``, ``fetch`` (checked), ``shelve``
``files``       files and their hash in one pass: pure
``safety``      which operations of a graph read or write files or call Python: pure
``fitting``     whether a run can be what is asked: pure
``compare``     what differs between two versions: pure
``handle``      `Graph`, what a user holds; `save_graph`, `load_graph`, `graphs`
``recording``   a function becomes a graph that trains on any number of replicas
``writing``     a graph becomes files
``loading``     files become a callable
``course``      the steps of a training, kept and taken up
``running``     a `GraphRun` in a replica: training, or a forward graph over shards
==============  ==========================================================================================

For a panel or a server, without TensorFlow::

    store = ArtifactStore(url)
    for record in shelf.list_graphs(store):        # the newest version of each, by name
        record.name, record.version, record.kind, record.inputs, record.bytes, record.to_dict()
    shelf.list_versions(store, "ranker")           # every GraphRecord, the newest first
    shelf.read_picture(store, record)              # text for the graph view: zlib + base 64, as of jobs
    executor.submit_graph(store, GraphRun(name, version), executor.Options(workers), backend)   # gives a Job
    python -m jupyter_kf run-graph ranker [--version N] [--workers N] [--profile P] [--steps N]
                                          [--data FILE] [--checkpoint TIME] [--allow OPERATION]
                                          [--job-name J] [--detach]

The jobs of a graph have the labels ``graph`` and ``graph-version`` in their `JobSpec`, and ``graph-shards``,
how many there are, where each computes a shard.
"""
