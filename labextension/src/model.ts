/* The jobs as they are now, one model for every view of the page. Knows no widget. */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { MetricSeries } from './metrics';
import type { Action, Requests } from './request';
import { LiveSocket, StateFrame } from './socket';
import type { JobState, JobStatus } from './wire';

/** A job that came into another state while this page looked. */
export interface ITransition {
  job: JobStatus;
  from: JobState;
}

const GATHER = 30; // milliseconds in which changes become one signal

export function isFinished(state: JobState): boolean {
  return state !== 'PENDING' && state !== 'RUNNING';
}

export class JobsModel implements IDisposable {
  constructor(
    readonly requests: Requests,
    makeSocket: (fallback: () => Promise<void>) => LiveSocket
  ) {
    this.socket = makeSocket(() => this.refresh());
    this.socket.received.connect((_, frame) => this._apply(frame));
    this.socket.connectedChanged.connect(() => this._tell());
  }

  readonly socket: LiveSocket;

  /** At most one signal for all changes of a moment. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get transition(): ISignal<this, ITransition> {
    return this._transition;
  }

  /** Whether the list of jobs has come at all. */
  get ready(): boolean {
    return this._ready;
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  /** Why the list may be out of date; empty if it is not. */
  get trouble(): string {
    return this._trouble;
  }

  get features(): readonly string[] {
    return this._features;
  }

  /** All jobs, the newest first. */
  get jobs(): readonly JobStatus[] {
    this._order ??= [...this._jobs.values()]
      .sort((a, b) => b.spec.created - a.spec.created)
      .map(job => job.spec.name);
    this._sorted ??= this._order.map(name => this._jobs.get(name)!);
    return this._sorted;
  }

  get isDisposed(): boolean {
    return this.socket.isDisposed;
  }

  get(name: string): JobStatus | undefined {
    return this._jobs.get(name);
  }

  /** Ask once by REST; the way out where no WebSocket gets through. */
  async refresh(): Promise<void> {
    const jobs = await this.requests.jobs();
    this._replace(jobs);
    this._tell();
  }

  async act(name: string, action: Action): Promise<void> {
    await this.requests.act(name, action);
  }

  /** The metrics of a job, shared by all who look at them; dispose of the lease after use. */
  metrics(name: string): MetricSeries.Lease {
    let series = this._metrics.get(name);
    if (!series) {
      series = new MetricSeries(this.socket, name, () =>
        this._metrics.delete(name)
      );
      this._metrics.set(name, series);
    }
    return series.lease();
  }

  dispose(): void {
    clearTimeout(this._timer);
    this.socket.dispose();
    Signal.clearData(this);
  }

  private _apply(frame: StateFrame): void {
    if (frame.kind === 'snapshot') {
      this._replace(frame.jobs);
      this._features = frame.features;
      this._trouble = frame.trouble;
    } else {
      frame.removed.forEach(name => this._remove(name));
      for (const job of frame.changed) {
        this._set(job);
      }
    }
    this._tell();
  }

  private _replace(jobs: JobStatus[]): void {
    const names = new Set(jobs.map(job => job.spec.name));
    for (const name of this._jobs.keys()) {
      if (!names.has(name)) {
        this._remove(name);
      }
    }
    jobs.forEach(job => this._set(job));
    this._ready = true;
  }

  private _set(job: JobStatus): void {
    const old = this._jobs.get(job.spec.name);
    this._jobs.set(job.spec.name, job);
    if (old?.spec.created !== job.spec.created) {
      this._order = null;
    }
    if (old && old.state !== job.state) {
      this._transition.emit({ job, from: old.state });
    }
  }

  private _remove(name: string): void {
    this._jobs.delete(name);
    this._order = null;
  }

  private _tell(): void {
    this._sorted = null;
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this._changed.emit();
    }, GATHER);
  }

  private _jobs = new Map<string, JobStatus>();
  private _order: string[] | null = null; // kept while no job comes or goes
  private _sorted: JobStatus[] | null = null;
  private _metrics = new Map<string, MetricSeries>();
  private _features: string[] = [];
  private _trouble = '';
  private _ready = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _changed = new Signal<this, void>(this);
  private _transition = new Signal<this, ITransition>(this);
}
