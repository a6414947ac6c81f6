/* One function per route. GET and POST only, so that any proxy carries them. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { GraphNode } from './graph';
import type { JobStatus, MetricRecord } from './wire';

export interface ILogPiece {
  from: number;
  to: number;
  text: string;
}

export interface IProfile {
  name: string;
  title: string;
  description: string;
}

/** How many workers could start now, of how many; null where the backend cannot tell. */
export interface IPlaces {
  free: number | null;
  total: number | null;
}

/** What the cluster said about a part of a job. */
export interface IPlaceEvent {
  time: number;
  about: string;
  reason: string;
  message: string;
}

export interface IGraph {
  title: string;
  nodes: GraphNode[];
}

export type Action = 'cancel' | 'delete' | 'interrupt';

export class Requests {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private _trans: TranslationBundle
  ) {}

  async jobs(): Promise<JobStatus[]> {
    return (await this.ask<{ jobs: JobStatus[] }>('jobs')).jobs;
  }

  async profiles(): Promise<IProfile[]> {
    return (await this.ask<{ profiles: IProfile[] }>('profiles')).profiles;
  }

  /** Free places by the name of a profile, under the empty name those without one. */
  async places(): Promise<Record<string, IPlaces>> {
    const path = 'availability';
    return (await this.ask<{ availability: Record<string, IPlaces> }>(path))
      .availability;
  }

  async act(name: string, action: Action): Promise<void> {
    await this.ask(`jobs/${encodeURIComponent(name)}/${action}`, {
      method: 'POST',
      body: '{}'
    });
  }

  log(
    name: string,
    rank: number,
    start: number,
    size: number
  ): Promise<ILogPiece> {
    const query = URLExt.objectToQueryString({ rank, start, size });
    return this.ask(`jobs/${encodeURIComponent(name)}/logs${query}`);
  }

  async metrics(name: string): Promise<MetricRecord[]> {
    const path = `jobs/${encodeURIComponent(name)}/metrics`;
    return (await this.ask<{ records: MetricRecord[] }>(path)).records;
  }

  async graphs(name: string): Promise<IGraph[]> {
    const path = `jobs/${encodeURIComponent(name)}/graphs`;
    return (await this.ask<{ graphs: IGraph[] }>(path)).graphs;
  }

  async manifests(name: string): Promise<string> {
    const path = `jobs/${encodeURIComponent(name)}/manifests`;
    return (await this.ask<{ manifests: string }>(path)).manifests;
  }

  async events(name: string): Promise<IPlaceEvent[]> {
    const path = `jobs/${encodeURIComponent(name)}/events`;
    return (await this.ask<{ events: IPlaceEvent[] }>(path)).events;
  }

  /** Where TensorBoard shows the job; an error says why it cannot. */
  async tensorboard(name: string): Promise<string> {
    const path = `jobs/${encodeURIComponent(name)}/tensorboard`;
    const { url } = await this.ask<{ url: string }>(path);
    return URLExt.join(this.settings.baseUrl, url);
  }

  downloadUrl(name: string, rank: number | 'all'): string {
    const url = URLExt.join(
      this.settings.baseUrl,
      'jupyter-kf/jobs',
      encodeURIComponent(name),
      'log.txt'
    );
    return `${url}?rank=${rank}`;
  }

  /** Ask the server side of the extension; an error says what it answered. */
  async ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    const { settings } = this;
    const url = URLExt.join(settings.baseUrl, 'jupyter-kf', path);
    const response = await ServerConnection.makeRequest(
      url,
      init,
      settings
    ).catch((error: Error) => {
      throw this._told(error);
    });
    if (!response.ok) {
      throw await ServerConnection.ResponseError.create(response);
    }
    return (await response.json()) as T;
  }

  /** A browser says no more than that it failed. */
  private _told(error: Error): Error {
    return error instanceof ServerConnection.NetworkError
      ? new Error(
          this._trans.__(
            'The notebook server does not answer. Try again when it is back.'
          )
        )
      : error;
  }
}
