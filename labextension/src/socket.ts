/* The page's one WebSocket: comes back by itself, and takes up each subscription where it was. */
import { IDisposable, DisposableDelegate } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import type {
  DeltaFrame,
  EndFrame,
  ErrorFrame,
  GapFrame,
  LogFrame,
  MetricsFrame,
  SnapshotFrame
} from './wire';

export type StateFrame = SnapshotFrame | DeltaFrame;
export type TailFrame =
  LogFrame | GapFrame | MetricsFrame | EndFrame | ErrorFrame;
export type Frame = StateFrame | TailFrame;

export interface ITopic {
  topic: 'logs' | 'metrics';
  job: string;
  rank: number;
  /** The first byte to send. */
  from: number;
}

interface ISubscription extends ITopic {
  id: number;
  listener: (frame: TailFrame | null) => void;
  ended: boolean;
}

/** The part of a WebSocket that is used here. */
export interface ISocket {
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  send(data: string): void;
  close(): void;
}

const OPEN = 1;

export class LiveSocket implements IDisposable {
  /** `open` makes a socket; `fallback` is called after each failed try to connect. */
  constructor(open: () => ISocket, fallback?: () => Promise<void>) {
    this._open = open;
    this._fallback = fallback;
    // The factory stays pending while the socket is open and rejects when it closes;
    // the poll then tries again with growing pauses.
    this._poll = new Poll({
      name: 'jupyter-kf:live',
      factory: () => this._connect(),
      frequency: { interval: 500, backoff: true, max: 10000 },
      standby: 'never'
    });
  }

  /** Snapshots and deltas. */
  get received(): ISignal<this, StateFrame> {
    return this._received;
  }

  /** Whether the socket is open, when that changes. */
  get connectedChanged(): ISignal<this, boolean> {
    return this._connectedChanged;
  }

  get connected(): boolean {
    return this._socket?.readyState === OPEN;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /**
   * Follow a log or metrics until disposed. The listener gets null when a subscription starts
   * over from `from`: what came before is to be forgotten.
   */
  follow(
    topic: ITopic,
    listener: (frame: TailFrame | null) => void
  ): IDisposable {
    const id = this._nextId++;
    const subscription = { ...topic, id, listener, ended: false };
    this._subscriptions.set(id, subscription);
    this._subscribe(subscription);
    return new DisposableDelegate(() => {
      if (this._subscriptions.delete(id) && this.connected) {
        this._send({ op: 'unsubscribe', id });
      }
    });
  }

  dispose(): void {
    this._isDisposed = true;
    this._poll.dispose();
    this._subscriptions.clear();
    this._socket?.close();
    Signal.clearData(this);
  }

  private _connect(): Promise<void> {
    return new Promise((_, reject) => {
      let opened = false;
      const socket = (this._socket = this._open());
      socket.onopen = () => {
        opened = true;
        this._connectedChanged.emit(true);
        for (const subscription of this._subscriptions.values()) {
          if (subscription.topic === 'metrics' && !subscription.ended) {
            subscription.listener(null);
          }
          this._subscribe(subscription);
        }
      };
      socket.onmessage = event => this._receive(event.data);
      socket.onclose = () => {
        if (this._isDisposed) {
          return;
        }
        this._connectedChanged.emit(false);
        if (!opened) {
          void this._fallback?.().catch(() => undefined);
        }
        reject(new Error('The connection to the server was closed.'));
      };
    });
  }

  private _receive(data: string): void {
    const frame = JSON.parse(data) as Frame;
    if (frame.kind === 'snapshot' || frame.kind === 'delta') {
      this._received.emit(frame);
      return;
    }
    const subscription = this._subscriptions.get(frame.id ?? -1);
    if (!subscription) {
      return;
    }
    if (frame.kind === 'log' || frame.kind === 'gap') {
      subscription.from = frame.to;
    }
    subscription.ended = frame.kind === 'end' || frame.kind === 'error';
    subscription.listener(frame);
  }

  private _subscribe(subscription: ISubscription): void {
    if (this.connected && !subscription.ended) {
      const { id, topic, job, rank, from } = subscription;
      this._send({ op: 'subscribe', id, topic, job, rank, from });
    }
  }

  private _send(frame: object): void {
    this._socket?.send(JSON.stringify(frame));
  }

  private _open: () => ISocket;
  private _fallback?: () => Promise<void>;
  private _socket: ISocket | null = null;
  private _poll: Poll;
  private _nextId = 1;
  private _isDisposed = false;
  private _subscriptions = new Map<number, ISubscription>();
  private _received = new Signal<this, StateFrame>(this);
  private _connectedChanged = new Signal<this, boolean>(this);
}
