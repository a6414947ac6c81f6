/* Generated from graph.v1.yaml by `jlpm build:wire`; do not edit. */

/**
 * A stored graph, with its versions, the newest first.
 */
export interface Graph {
  name: string;
  versions: GraphVersion[];
}
/**
 * One version of a graph. Times are seconds since the epoch.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "GraphVersion".
 */
export interface GraphVersion {
  name: string;
  version: number;
  kind: 'FORWARD' | 'TRAINING';
  description: string;
  inputs: Tensor[];
  outputs: Tensor[];
  weights: Tensor[];
  /**
   * How many operations of each kind.
   */
  ops: {
    [k: string]: number;
  };
  collectives: number;
  /**
   * Operations that read or write files, to which whoever runs it is to agree.
   */
  asks: string[];
  /**
   * How many a run takes; null is once through the data.
   */
  steps: number | null;
  /**
   * Whether a dataset lies with it.
   */
  has_data: boolean;
  trained: Trained | null;
  /**
   * The cell it came from.
   */
  source: string;
  notebook: string;
  user: string;
  created: number;
  /**
   * Of the packages that wrote it.
   */
  versions: {
    [k: string]: string;
  };
  hash: string;
  format: number;
  /**
   * The size of its files.
   */
  bytes: number;
}
/**
 * An input or output as its signature has it.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "Tensor".
 */
export interface Tensor {
  name: string;
  dtype: string;
  /**
   * Lengths of the axes, null for any; null where even their number is open.
   */
  shape: (number | null)[] | null;
}
/**
 * How a version's weights came about.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "Trained".
 */
export interface Trained {
  parent: number;
  job: string;
  steps: number;
  loss: number | null;
}
/**
 * What a newer version has otherwise than an older one.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "Comparison".
 */
export interface Comparison {
  older: number;
  newer: number;
  /**
   * Lines that begin with - or +.
   */
  signature: string[];
  /**
   * Lines that begin with - or +.
   */
  weights: string[];
  /**
   * How many more of a kind there are.
   */
  ops: {
    [k: string]: number;
  };
  /**
   * The packages of which another version wrote it.
   */
  versions: {
    [k: string]: string[];
  };
  /**
   * Whether the values of the weights are others.
   */
  weights_changed: boolean;
}
/**
 * What a page asks for when it runs a graph.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "RunRequest".
 */
export interface RunRequest {
  /**
   * Null for the newest.
   */
  version?: number | null;
  workers: number;
  profile?: string;
  /**
   * The job's name.
   */
  name?: string;
  /**
   * An .npz or the folder of a dataset below the notebooks; empty for the stored one.
   */
  data?: string;
  /**
   * Rows of a batch of an .npz.
   */
  batch_size?: number | null;
  steps?: number | null;
  /**
   * The operations that were agreed to.
   */
  allow?: string[];
}
/**
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "RenameRequest".
 */
export interface RenameRequest {
  to: string;
}
/**
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "DeleteRequest".
 */
export interface DeleteRequest {
  /**
   * Null for all of them.
   */
  version?: number | null;
}
/**
 * What a page asks for when it makes a schedule.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "ScheduleRequest".
 */
export interface ScheduleRequest {
  graph: string;
  name?: string;
  cron: string;
  time_zone?: string;
  run: RunRequest;
}
/**
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "ScheduleSpec".
 */
export interface ScheduleSpec {
  name: string;
  graph: string;
  cron: string;
  time_zone: string;
  /**
   * Null for the newest at the time of each run.
   */
  version: number | null;
  workers: number;
  profile: string;
  arguments: string[];
  user: string;
  created: number;
}
/**
 * What is seen of a schedule. Times are seconds since the epoch.
 *
 * This interface was referenced by `Graph`'s JSON-Schema
 * via the `definition` "ScheduleStatus".
 */
export interface ScheduleStatus {
  spec: ScheduleSpec;
  paused: boolean;
  running: number;
  last: number | null;
  succeeded: number | null;
  next: number | null;
  /**
   * Why the last run failed.
   */
  trouble: string;
}
