import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { GRAPH_LABEL, GraphsModel } from './graphmodel';
import type { GraphRequests } from './graphrequest';
import type { Graph, ScheduleStatus } from './graphwire';
import type { JobsModel } from './model';
import { inputText, sizeText, tensorText } from './signature';
import type { JobStatus } from './wire';

function job(name: string, state: string, graph?: string): JobStatus {
  const labels = graph ? { [GRAPH_LABEL]: graph } : {};
  return { spec: { name, labels }, state } as unknown as JobStatus;
}

function setup(): {
  model: GraphsModel;
  jobs: { jobs: JobStatus[]; changed: Signal<JobsModel, void> };
  asked: () => number;
  fail: (why: string) => void;
} {
  let count = 0;
  let why = '';
  const jobs = { jobs: [] as JobStatus[] } as unknown as JobsModel;
  const changed = new Signal<JobsModel, void>(jobs);
  Object.assign(jobs, { changed });
  const requests = {
    graphs: () => {
      count++;
      return why
        ? Promise.reject(new Error(why))
        : Promise.resolve([{ name: 'ranker', versions: [] } as Graph]);
    },
    schedules: () => Promise.resolve([] as ScheduleStatus[])
  } as unknown as GraphRequests;
  return {
    model: new GraphsModel(jobs, requests),
    jobs: jobs as unknown as ReturnType<typeof setup>['jobs'],
    asked: () => count,
    fail: text => {
      why = text;
    }
  };
}

test('asks when somebody looks, and again when a run comes or ends', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { model, jobs, asked } = setup();
  const [one, two] = [model.look(), model.look()];
  assert.equal(asked(), 1);
  jobs.jobs = [job('other', 'RUNNING')];
  jobs.changed.emit();
  t.mock.timers.tick(5000);
  assert.equal(asked(), 1);
  jobs.jobs = [job('r', 'RUNNING', 'ranker'), job('other', 'RUNNING')];
  jobs.changed.emit();
  jobs.changed.emit();
  t.mock.timers.tick(5000);
  assert.equal(asked(), 2);
  assert.deepEqual(
    model.runs('ranker').map(each => each.spec.name),
    ['r']
  );
  one.dispose();
  two.dispose();
  jobs.jobs = [];
  jobs.changed.emit();
  t.mock.timers.tick(60_000);
  assert.equal(asked(), 2);
});

test('keeps what it knew when the server fails, and says why', async () => {
  const { model, fail } = setup();
  await model.refresh();
  assert.ok(model.ready);
  fail('The store could not read.');
  await model.refresh();
  assert.equal(model.trouble, 'The store could not read.');
  assert.equal(model.get('ranker')?.name, 'ranker');
  fail('');
  await model.refresh();
  assert.equal(model.trouble, '');
});

test('signatures and sizes in words', () => {
  const trans = {
    __: (text: string, ...parts: unknown[]) =>
      text.replace(/%(\d)/g, (_, i) => String(parts[Number(i) - 1]))
  } as unknown as TranslationBundle;
  const tensor = { name: 'x', dtype: 'float32', shape: [null, 8] };
  assert.equal(inputText(trans, tensor), 'x float32[?, 8]');
  assert.equal(tensorText(trans, { ...tensor, shape: [] }), 'float32[]');
  assert.equal(
    tensorText(trans, { ...tensor, shape: null }),
    'float32 of any shape'
  );
  assert.deepEqual([0, 999, 1500, 123456789].map(sizeText), [
    '0 B',
    '999 B',
    '1.5 kB',
    '123 MB'
  ]);
});
