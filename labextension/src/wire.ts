/* Generated from job.v1.yaml by `jlpm build:wire`; do not edit. */

/**
 * What happened to the job.
 */
export type Transition = 'submitted' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'waiting' | 'deleted';
/**
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "JobState".
 */
export type JobState = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/**
 * A job came into a new state. Emitted once for each change of state.
 */
export interface JobEvent {
  transition: Transition;
  job: Job;
}
/**
 * What is seen of the job now.
 */
export interface Job {
  spec: JobSpec;
  state: JobState;
  /**
   * One sentence for people.
   */
  reason: string;
  replicas: Replica[];
  started: number | null;
  finished: number | null;
  /**
   * When the results were written into live objects.
   */
  applied: number | null;
  /**
   * How many logs there are.
   */
  ranks?: number;
  [k: string]: unknown;
}
/**
 * What was asked. Times are seconds since the epoch.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "JobSpec".
 */
export interface JobSpec {
  name: string;
  replicas: number;
  profile: string;
  resources: Resources;
  image: string;
  user: string;
  notebook: string;
  cell: number | null;
  source: string;
  created: number;
  start_timeout?: number;
  checkpoint?: number | null;
  labels?: {
    [k: string]: string;
  };
  /**
   * The code makes its own tf.distribute strategy.
   */
  own_strategy?: boolean;
  [k: string]: unknown;
}
/**
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "Resources".
 */
export interface Resources {
  /**
   * Cores.
   */
  cpu: number | null;
  /**
   * Bytes.
   */
  memory: number | null;
  accelerator: string;
  accelerators: number;
}
/**
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "Replica".
 */
export interface Replica {
  index: number;
  state: JobState;
  reason: string;
  restarts: number;
  node: string;
  exit_code: number | null;
}
/**
 * What is seen of a job.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "JobStatus".
 */
export interface JobStatus {
  spec: JobSpec;
  state: JobState;
  /**
   * One sentence for people.
   */
  reason: string;
  replicas: Replica[];
  started: number | null;
  finished: number | null;
  /**
   * When the results were written into live objects.
   */
  applied: number | null;
  /**
   * How many logs there are.
   */
  ranks?: number;
  [k: string]: unknown;
}
/**
 * All jobs; sent first, and again where deltas would not do.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "SnapshotFrame".
 */
export interface SnapshotFrame {
  kind: 'snapshot';
  v: number;
  jobs: JobStatus[];
  /**
   * What the backend can tell beside jobs and logs.
   */
  features: string[];
  /**
   * Why the list may be out of date, or nothing.
   */
  trouble: string;
}
/**
 * What changed since the last frame with `v`.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "DeltaFrame".
 */
export interface DeltaFrame {
  kind: 'delta';
  v: number;
  changed: JobStatus[];
  removed: string[];
  /**
   * When the server saw the oldest change, in seconds since the epoch.
   */
  time: number;
}
/**
 * A piece of one rank's log, from byte `from` up to byte `to`.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "LogFrame".
 */
export interface LogFrame {
  kind: 'log';
  id: number;
  from: number;
  to: number;
  text: string;
}
/**
 * Bytes of a log that were passed over because the page reads too slowly; ask for them by REST.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "GapFrame".
 */
export interface GapFrame {
  kind: 'gap';
  id: number;
  from: number;
  to: number;
}
/**
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "MetricsFrame".
 */
export interface MetricsFrame {
  kind: 'metrics';
  id: number;
  records: MetricRecord[];
}
/**
 * One metrics record of a replica's log.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "MetricRecord".
 */
export interface MetricRecord {
  kind: 'metrics';
  event?: string;
  epoch?: number | null;
  step?: number | null;
  time?: number;
  values?: {
    [k: string]: number | null | string;
  };
  [k: string]: unknown;
}
/**
 * A subscription has given all there will ever be.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "EndFrame".
 */
export interface EndFrame {
  kind: 'end';
  id: number;
}
/**
 * A frame or a subscription was refused; `id` is absent where no subscription is meant.
 *
 * This interface was referenced by `JobEvent`'s JSON-Schema
 * via the `definition` "ErrorFrame".
 */
export interface ErrorFrame {
  kind: 'error';
  id?: number;
  error: string;
  message: string;
}
