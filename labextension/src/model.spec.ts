import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Curves } from './metrics';
import { isFinished, ITransition, JobsModel } from './model';
import type { Requests } from './request';
import { ISocket, LiveSocket, TailFrame } from './socket';
import type { JobState, JobStatus, MetricRecord } from './wire';

/** The other end of a socket, in the test's hand. */
class Peer implements ISocket {
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  sent: Record<string, unknown>[] = [];

  send(data: string): void {
    this.sent.push(JSON.parse(data));
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.({} as CloseEvent);
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({} as Event);
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
  }
}

function job(name: string, state: JobState, created = 0): JobStatus {
  const spec = { name, created, replicas: 2, notebook: '', profile: '' };
  return {
    spec: spec as JobStatus['spec'],
    state,
    reason: '',
    replicas: [],
    started: null,
    finished: null,
    applied: null
  };
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < end, 'waited in vain');
    await new Promise(done => setTimeout(done, 5));
  }
}

function setup(jobs: JobStatus[] = []): { model: JobsModel; peers: Peer[] } {
  const peers: Peer[] = [];
  const requests = { jobs: () => Promise.resolve(jobs) } as unknown as Requests;
  const model = new JobsModel(
    requests,
    fallback =>
      new LiveSocket(() => {
        const peer = new Peer();
        peers.push(peer);
        return peer;
      }, fallback)
  );
  return { model, peers };
}

function snapshot(...jobs: JobStatus[]): object {
  return { kind: 'snapshot', v: 1, jobs, features: ['events'], trouble: '' };
}

test('a snapshot, then changes; one signal for many', async () => {
  const { model, peers } = setup();
  await until(() => peers.length === 1);
  peers[0].open();
  let signals = 0;
  const transitions: ITransition[] = [];
  model.changed.connect(() => signals++);
  model.transition.connect((_, t) => transitions.push(t));
  peers[0].say(snapshot(job('a', 'PENDING', 1), job('b', 'RUNNING', 2)));
  assert.deepEqual(
    model.jobs.map(j => j.spec.name),
    ['b', 'a']
  );
  for (let i = 0; i < 100; i++) {
    peers[0].say({
      kind: 'delta',
      v: i,
      changed: [job('a', 'RUNNING', 1)],
      removed: [],
      time: 0
    });
  }
  peers[0].say({ kind: 'delta', v: 101, changed: [], removed: ['b'], time: 0 });
  assert.deepEqual(
    model.jobs.map(j => j.spec.name),
    ['a']
  );
  assert.deepEqual(
    transitions.map(t => [t.job.spec.name, t.from]),
    [['a', 'PENDING']]
  );
  await until(() => signals > 0);
  assert.ok(signals < 5);
  assert.deepEqual(model.features, ['events']);
  model.dispose();
});

test('a snapshot after a break also removes, and tells of what changed meanwhile', async () => {
  const { model, peers } = setup();
  await until(() => peers.length === 1);
  peers[0].open();
  peers[0].say(snapshot(job('a', 'RUNNING'), job('b', 'RUNNING')));
  const seen: string[] = [];
  model.transition.connect((_, t) =>
    seen.push(`${t.job.spec.name} ${t.job.state}`)
  );
  peers[0].close();
  assert.equal(model.connected, false);
  await until(() => peers.length === 2);
  peers[1].open();
  peers[1].say(snapshot(job('a', 'SUCCEEDED')));
  assert.deepEqual(
    model.jobs.map(j => j.spec.name),
    ['a']
  );
  assert.deepEqual(seen, ['a SUCCEEDED']);
  model.dispose();
});

test('where no socket gets through the list comes by REST', async () => {
  const { model, peers } = setup([job('only-rest', 'RUNNING')]);
  await until(() => peers.length === 1);
  peers[0].close();
  await until(() => model.ready);
  assert.equal(model.get('only-rest')?.state, 'RUNNING');
  model.dispose();
});

test('a subscription goes on where it was after a break', async () => {
  const { model, peers } = setup();
  await until(() => peers.length === 1);
  const got: (TailFrame | null)[] = [];
  const topic = { topic: 'logs', job: 'a', rank: 1, from: 0 } as const;
  const following = model.socket.follow(topic, frame => got.push(frame));
  peers[0].open();
  const { id } = peers[0].sent[0];
  assert.deepEqual(peers[0].sent, [{ op: 'subscribe', id, ...topic }]);
  peers[0].say({ kind: 'gap', id, from: 0, to: 50 });
  peers[0].say({ kind: 'log', id, from: 50, to: 60, text: 'x' });
  peers[0].say({ kind: 'log', id: 999, from: 0, to: 1, text: 'not mine' });
  peers[0].close();
  await until(() => peers.length === 2);
  peers[1].open();
  assert.deepEqual(peers[1].sent, [
    { op: 'subscribe', id, ...topic, from: 60 }
  ]);
  assert.equal(got.length, 2);
  following.dispose();
  assert.deepEqual(peers[1].sent[1], { op: 'unsubscribe', id });
  model.dispose();
});

test('one subscription to metrics serves all who look, and starts anew after a break', async () => {
  const { model, peers } = setup();
  await until(() => peers.length === 1);
  peers[0].open();
  const [one, two] = [model.metrics('a'), model.metrics('a')];
  assert.equal(one.series, two.series);
  const { id } = peers[0].sent[0];
  const record = {
    kind: 'metrics',
    event: 'step',
    step: 1,
    values: { loss: 0.5 }
  };
  peers[0].say({ kind: 'metrics', id, records: [record] });
  peers[0].close();
  await until(() => peers.length === 2);
  peers[1].open();
  assert.equal(one.series.curves.main(), undefined);
  peers[1].say({
    kind: 'metrics',
    id,
    records: [record, { ...record, step: 2 }]
  });
  assert.deepEqual(one.series.curves.main(), [
    'loss',
    { x: [1, 2], y: [0.5, 0.5] }
  ]);
  peers[1].say({ kind: 'end', id });
  one.dispose();
  one.dispose();
  assert.equal(peers[1].sent.length, 1);
  two.dispose();
  assert.equal(peers[1].sent.length, 2);
  assert.notEqual(model.metrics('a').series, one.series);
  model.dispose();
});

test('steps never go back, and a curve stays bounded', () => {
  const curves = new Curves();
  const step = (n: number, loss: number | string): MetricRecord =>
    ({
      kind: 'metrics',
      event: 'step',
      step: n,
      values: { loss }
    }) as MetricRecord;
  for (const n of [1, 2, 3, 1, 2]) {
    curves.add(step(n, n));
  }
  assert.deepEqual(curves.byName.get('loss')?.x, [1, 2, 3, 4, 5]);
  curves.add(step(3, 'NaN'));
  assert.deepEqual(curves.byName.get('loss')?.y.at(-1), null);
  for (let n = 4; n < 50_000; n++) {
    curves.add(step(n, 1));
  }
  assert.ok((curves.byName.get('loss')?.x.length ?? 0) <= 4000);
});

test('three states are ends', () => {
  const states: JobState[] = [
    'PENDING',
    'RUNNING',
    'SUCCEEDED',
    'FAILED',
    'CANCELLED'
  ];
  assert.deepEqual(states.map(isFinished), [false, false, true, true, true]);
});
