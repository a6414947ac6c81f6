/* The plugins, each usable without the others but the model. */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { cardPlugin } from './plugins/card';
import { cellPlugin } from './plugins/cell';
import { graphsPlugin } from './plugins/graphs';
import { jobsPlugin } from './plugins/jobs';
import { noticesPlugin } from './plugins/notices';
import { panelPlugin } from './plugins/panel';
import { statusPlugin } from './plugins/status';
import { viewPlugin } from './plugins/view';

export { IGraphs, IJobs } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  jobsPlugin,
  graphsPlugin,
  cellPlugin,
  cardPlugin,
  viewPlugin,
  panelPlugin,
  statusPlugin,
  noticesPlugin
];
export default plugins;
