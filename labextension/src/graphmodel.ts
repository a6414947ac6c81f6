/* The stored graphs and the schedules as they are now. Knows no widget. */
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import type { GraphRequests } from './graphrequest';
import type { Graph, ScheduleStatus } from './graphwire';
import type { JobsModel } from './model';
import type { JobStatus } from './wire';

const PAUSE = 2000; // milliseconds in which changes of jobs become one question
const OFTEN = 30_000; // others may store graphs too

export const GRAPH_LABEL = 'graph';
export const SCHEDULE_LABEL = 'jupyter-kf/schedule';

export class GraphsModel {
  constructor(
    readonly jobs: JobsModel,
    readonly requests: GraphRequests
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** All graphs by name. */
  graphs: readonly Graph[] = [];

  schedules: readonly ScheduleStatus[] = [];

  /** Whether the graphs have come at all. */
  ready = false;

  /** Why what is known may be out of date. */
  trouble = '';

  get(name: string): Graph | undefined {
    return this.graphs.find(graph => graph.name === name);
  }

  /** The runs of a graph, the newest first. */
  runs(name: string): JobStatus[] {
    return this.jobs.jobs.filter(
      job => job.spec.labels?.[GRAPH_LABEL] === name
    );
  }

  async refresh(): Promise<void> {
    try {
      const { requests } = this;
      const asked = [requests.graphs(), requests.schedules()] as const;
      [this.graphs, this.schedules] = await Promise.all(asked);
      this.ready = true;
      this.trouble = '';
    } catch (error) {
      this.trouble = (error as Error).message;
    }
    this._changed.emit();
  }

  /** Keep up to date until the answer is disposed of. */
  look(): IDisposable {
    if (this._lookers++ === 0) {
      this._seen = this._states();
      this.jobs.changed.connect(this._follow, this);
      this._timer = setInterval(
        () => !document.hidden && void this.refresh(),
        OFTEN
      );
      void this.refresh();
    }
    return new DisposableDelegate(() => {
      if (--this._lookers === 0) {
        this.jobs.changed.disconnect(this._follow, this);
        clearInterval(this._timer);
        clearTimeout(this._later);
        this._later = undefined;
      }
    });
  }

  /** A job that comes or ends may have made a version, or be a schedule's. */
  private _follow(): void {
    const states = this._states();
    if (states !== this._seen) {
      this._seen = states;
      this._later ??= setTimeout(() => {
        this._later = undefined;
        void this.refresh();
      }, PAUSE);
    }
  }

  private _states(): string {
    return this.jobs.jobs
      .filter(job => job.spec.labels?.[GRAPH_LABEL])
      .map(job => `${job.spec.name} ${job.state}`)
      .join('\n');
  }

  private _changed = new Signal<this, void>(this);
  private _lookers = 0;
  private _seen = '';
  private _timer: ReturnType<typeof setInterval> | undefined;
  private _later: ReturnType<typeof setTimeout> | undefined;
}
