/* One function per route. GET and POST only, so that any proxy carries them. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
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

export interface IGraph {
  title: string;
  nodes: GraphNode[];
}

export type Action = 'cancel' | 'delete' | 'interrupt';

export class Requests {
  constructor(readonly settings: ServerConnection.ISettings) {}

  async jobs(): Promise<JobStatus[]> {
    return (await this._fetch<{ jobs: JobStatus[] }>('jobs')).jobs;
  }

  async profiles(): Promise<IProfile[]> {
    return (await this._fetch<{ profiles: IProfile[] }>('profiles')).profiles;
  }

  async act(name: string, action: Action): Promise<void> {
    await this._fetch(`jobs/${encodeURIComponent(name)}/${action}`, {
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
    return this._fetch(`jobs/${encodeURIComponent(name)}/logs${query}`);
  }

  async metrics(name: string): Promise<MetricRecord[]> {
    const path = `jobs/${encodeURIComponent(name)}/metrics`;
    return (await this._fetch<{ records: MetricRecord[] }>(path)).records;
  }

  async graphs(name: string): Promise<IGraph[]> {
    const path = `jobs/${encodeURIComponent(name)}/graphs`;
    return (await this._fetch<{ graphs: IGraph[] }>(path)).graphs;
  }

  /** What only some backends can tell: manifests, events. */
  async extra(name: string, what: string): Promise<unknown> {
    const path = `jobs/${encodeURIComponent(name)}/${what}`;
    return (await this._fetch<Record<string, unknown>>(path))[what];
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

  private async _fetch<T>(path: string, init: RequestInit = {}): Promise<T> {
    const { settings } = this;
    const url = URLExt.join(settings.baseUrl, 'jupyter-kf', path);
    const response = await ServerConnection.makeRequest(url, init, settings);
    if (!response.ok) {
      throw await ServerConnection.ResponseError.create(response);
    }
    return (await response.json()) as T;
  }
}
