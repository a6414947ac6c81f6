/* The metrics of one job as curves, fed by one subscription however many look at them. */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import type { LiveSocket } from './socket';
import type { MetricRecord } from './wire';

export interface ICurve {
  x: number[];
  y: (number | null)[];
}

const MOST_POINTS = 4000; // of one curve; then every second one goes

/** Curves over a step count that never goes back, one per value and kind of event. */
export class Curves {
  readonly byName = new Map<string, ICurve>();
  /** The last value of each name, whatever event told it. */
  readonly latest = new Map<string, number>();
  epoch: number | null = null;
  step: number | null = null;

  add(record: MetricRecord): void {
    if (typeof record.epoch === 'number') {
      this.epoch = record.epoch;
    }
    if (typeof record.step === 'number') {
      if (this.step !== null && record.step < this.step) {
        this._base += this.step; // the count starts again with each epoch
      }
      this.step = record.step;
    }
    const x = this._base + (this.step ?? this._events++);
    for (const [name, value] of Object.entries(record.values ?? {})) {
      const number = typeof value === 'string' ? Number(value) : value;
      if (typeof number === 'number') {
        this.latest.set(name, number);
      }
      const curve =
        record.event === 'step' ? name : `${name} (${record.event})`;
      this._push(curve, x, Number.isFinite(number) ? (number as number) : null);
    }
  }

  clear(): void {
    this.byName.clear();
    this.latest.clear();
    this.epoch = this.step = null;
    this._base = this._events = 0;
  }

  /** The curve that a small picture shows best: the loss, else the first. */
  main(): [string, ICurve] | undefined {
    const names = [...this.byName.keys()];
    const name =
      names.find(n => n === 'loss') ??
      names.find(n => n.startsWith('loss')) ??
      names[0];
    const curve = name === undefined ? undefined : this.byName.get(name);
    return name !== undefined && curve ? [name, curve] : undefined;
  }

  private _push(name: string, x: number, y: number | null): void {
    let curve = this.byName.get(name);
    if (!curve) {
      this.byName.set(name, (curve = { x: [], y: [] }));
    }
    if (curve.x.length && curve.x[curve.x.length - 1] === x) {
      curve.y[curve.y.length - 1] = y;
      return;
    }
    curve.x.push(x);
    curve.y.push(y);
    if (curve.x.length > MOST_POINTS) {
      curve.x = curve.x.filter((_, i) => i % 2 === 0);
      curve.y = curve.y.filter((_, i) => i % 2 === 0);
    }
  }

  private _base = 0;
  private _events = 0;
}

export class MetricSeries {
  constructor(
    socket: LiveSocket,
    readonly job: string,
    private _forget: () => void
  ) {
    this._following = socket.follow(
      { topic: 'metrics', job, rank: 0, from: 0 },
      frame => {
        if (frame === null) {
          this.curves.clear();
        } else if (frame.kind === 'metrics') {
          frame.records.forEach(record => this.curves.add(record));
        }
        this._changed.emit();
      }
    );
  }

  readonly curves = new Curves();

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  lease(): MetricSeries.Lease {
    this._leases++;
    let returned = false;
    return {
      series: this,
      get isDisposed() {
        return returned;
      },
      dispose: () => {
        if (!returned) {
          returned = true;
          this._return();
        }
      }
    };
  }

  private _return(): void {
    if (--this._leases === 0) {
      this._following.dispose();
      this._forget();
      Signal.clearData(this);
    }
  }

  private _leases = 0;
  private _following: IDisposable;
  private _changed = new Signal<this, void>(this);
}

export namespace MetricSeries {
  export interface Lease extends IDisposable {
    readonly series: MetricSeries;
  }
}
