/* One function per route of stored graphs and schedules. */
import { URLExt } from '@jupyterlab/coreutils';
import type { GraphNode } from './graph';
import type {
  Comparison,
  Graph,
  RunRequest,
  ScheduleRequest,
  ScheduleStatus
} from './graphwire';
import type { Requests } from './request';

export type ScheduleAction = 'pause' | 'resume' | 'delete';

export class GraphRequests {
  constructor(private _requests: Requests) {}

  async graphs(): Promise<Graph[]> {
    return (await this._requests.ask<{ graphs: Graph[] }>('graphs')).graphs;
  }

  async schedules(): Promise<ScheduleStatus[]> {
    const path = 'schedules';
    return (await this._requests.ask<{ schedules: ScheduleStatus[] }>(path))
      .schedules;
  }

  async picture(name: string, version: number): Promise<GraphNode[]> {
    const path = `${at(name)}/picture?version=${version}`;
    return (await this._requests.ask<{ nodes: GraphNode[] }>(path)).nodes;
  }

  compare(name: string, older: number, newer: number): Promise<Comparison> {
    const query = URLExt.objectToQueryString({ older, newer });
    return this._requests.ask(`${at(name)}/compare${query}`);
  }

  /** Run a graph now; gives the name of its job. */
  async run(name: string, what: RunRequest): Promise<string> {
    return (await this._post<{ job: string }>(`${at(name)}/run`, what)).job;
  }

  rename(name: string, to: string): Promise<unknown> {
    return this._post(`${at(name)}/rename`, { to });
  }

  /** Delete a version, or the graph with all of them. */
  remove(name: string, version: number | null): Promise<unknown> {
    return this._post(`${at(name)}/delete`, { version });
  }

  schedule(what: ScheduleRequest): Promise<ScheduleStatus> {
    return this._post('schedules', what);
  }

  actOnSchedule(name: string, action: ScheduleAction): Promise<unknown> {
    return this._post(`schedules/${encodeURIComponent(name)}/${action}`, {});
  }

  private _post<T>(path: string, body: unknown): Promise<T> {
    return this._requests.ask<T>(path, {
      method: 'POST',
      body: JSON.stringify(body)
    });
  }
}

function at(name: string): string {
  return `graphs/${encodeURIComponent(name)}`;
}
