/* Draws job cards in cell outputs. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  INotebookTracker,
  NotebookActions,
  NotebookPanel
} from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { JobCard, ICardActions } from '../card';
import { JobsModel } from '../model';
import { CARD_TYPE, CommandIDs, DOMAIN, IJobs } from '../tokens';

export const cardPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:card',
  description: 'Draws jobs in cell outputs.',
  autoStart: true,
  requires: [IJobs, IRenderMimeRegistry],
  optional: [INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    rendermime: IRenderMimeRegistry,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const actions = (card: JobCard): ICardActions => {
      const panel = notebooks?.find(p => p.node.contains(card.node));
      return {
        cancel: name =>
          void app.commands.execute(CommandIDs.cancelJob, { name }),
        open: (name, tab) =>
          void app.commands.execute(CommandIDs.openJob, { name, tab }),
        apply: panel ? name => void applyBelow(panel, card, name) : undefined
      };
    };
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [CARD_TYPE],
        createRenderer: () => new JobCard(model, trans, actions)
      },
      0 // before the HTML that goes with it
    );
  }
};

/** Results arrive by a cell that says so: the notebook tells what happened. */
async function applyBelow(
  panel: NotebookPanel,
  card: JobCard,
  name: string
): Promise<void> {
  const { content, sessionContext } = panel;
  const at = content.widgets.findIndex(cell => cell.node.contains(card.node));
  if (at < 0) {
    return;
  }
  content.activeCellIndex = at;
  NotebookActions.insertBelow(content);
  content.activeCell?.model.sharedModel.setSource(
    `import jupyter_kf as kf\nkf.job("${name}").apply()`
  );
  await NotebookActions.run(content, sessionContext);
}
