/* How many jobs run, in the status bar. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar, TextItem } from '@jupyterlab/statusbar';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';
import { JobsModel } from '../model';
import { CommandIDs, DOMAIN, IJobs } from '../tokens';

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:status',
  description: 'Counts the running jobs in the status bar.',
  autoStart: true,
  requires: [IJobs, IStatusBar],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    bar: IStatusBar,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const item = new JobCount(model, trans, () => {
      void app.commands.execute(CommandIDs.showPanel);
    });
    bar.registerStatusItem('jupyter-kf:status', {
      item,
      align: 'left',
      rank: 50,
      isActive: () => model.jobs.length > 0,
      activeStateChanged: model.changed
    });
  }
};

class JobCount extends ReactWidget {
  constructor(
    private _model: JobsModel,
    private _trans: TranslationBundle,
    private _open: () => void
  ) {
    super();
    this.addClass('jp-kf-status');
  }

  protected render(): JSX.Element {
    const { _model: model, _trans: trans } = this;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const count = (state: string): number =>
            model.jobs.filter(job => job.state === state).length;
          const waiting = count('PENDING');
          const parts = [trans.__('%1 running', count('RUNNING'))];
          if (waiting) {
            parts.push(trans.__('%1 waiting', waiting));
          }
          return (
            <TextItem
              role="button"
              tabIndex={0}
              title={trans.__('Distributed jobs: show all')}
              source={trans.__('Jobs: %1', parts.join(', '))}
              onClick={this._open}
              onKeyDown={event => {
                if (event.key === 'Enter' || event.key === ' ') {
                  this._open();
                }
              }}
            />
          );
        }}
      </UseSignal>
    );
  }
}
