/* What the plugins share: the token of the model, ids of commands and places. No side effects. */
import { Token } from '@lumino/coreutils';
import type { GraphsModel } from './graphmodel';
import type { JobsModel } from './model';

export const CARD_TYPE = 'application/vnd.jupyter-kf.job+json';
export const DOMAIN = 'jupyter_kf';
export const PANEL_ID = 'jupyter-kf-panel';
export const SETTINGS_ID = 'jupyter-kf:plugin';

export namespace CommandIDs {
  export const runCell = 'jupyter-kf:run-cell';
  export const editCell = 'jupyter-kf:edit-cell';
  export const openJob = 'jupyter-kf:open-job';
  export const showPanel = 'jupyter-kf:show-panel';
  export const cancelJob = 'jupyter-kf:cancel-job';
  export const interruptJob = 'jupyter-kf:interrupt-job';
  export const deleteJob = 'jupyter-kf:delete-job';
  export const openGraph = 'jupyter-kf:open-graph';
  export const renameGraph = 'jupyter-kf:rename-graph';
  export const deleteGraph = 'jupyter-kf:delete-graph';
}

export const IJobs = new Token<JobsModel>(
  'jupyter-kf:IJobs',
  'The jobs of this server as they are now.'
);

export const IGraphs = new Token<GraphsModel>(
  'jupyter-kf:IGraphs',
  'The stored graphs and the schedules of this server as they are now.'
);
