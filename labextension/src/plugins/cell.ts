/* Sends a cell out with one click: writes the `%%kf` line and runs the cell. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { Cell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import { jobIcon, optionsIcon } from '../icon';
import { IJobLine, read, remove, write } from '../magic';
import { markJobCells } from '../marks';
import { JobsModel } from '../model';
import { openOptions } from '../options';
import { offer } from '../palette';
import { CommandIDs, DOMAIN, IJobs, SETTINGS_ID } from '../tokens';

export const cellPlugin: JupyterFrontEndPlugin<void> = {
  id: SETTINGS_ID,
  description: 'Sends a cell out as a distributed job.',
  autoStart: true,
  requires: [IJobs, INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    notebooks: INotebookTracker,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const last = new LastUsed(registry);
    notebooks.widgetAdded.connect((_, panel) => markJobCells(panel.content));
    const code = (): Cell | null => {
      const cell = notebooks.activeCell;
      return cell?.model.type === 'code' ? cell : null;
    };
    const run = (): Promise<unknown> =>
      app.commands.execute('notebook:run-cell');
    const shared = {
      isEnabled: () => code() !== null,
      isVisible: () => code() !== null
    };
    app.commands.addCommand(CommandIDs.runCell, {
      ...shared,
      label: trans.__('Run Cell as a Distributed Job'),
      caption: caption(trans, code),
      icon: jobIcon,
      execute: async () => {
        const cell = code();
        if (cell) {
          const source = cell.model.sharedModel.getSource();
          if (!read(source)) {
            cell.model.sharedModel.setSource(write(source, last.line()));
          }
          await run();
        }
      }
    });
    app.commands.addCommand(CommandIDs.editCell, {
      ...shared,
      label: trans.__('Set How the Cell Runs as a Distributed Job…'),
      caption: trans.__('Workers, profile and name of the job'),
      icon: optionsIcon,
      execute: async () => {
        const cell = code();
        if (!cell) {
          return;
        }
        const source = cell.model.sharedModel.getSource();
        const line = read(source) ?? last.line();
        const choice = await openOptions(cell, line, model, trans);
        const now = cell.model.sharedModel.getSource();
        if (choice.line) {
          cell.model.sharedModel.setSource(write(now, choice.line));
          last.keep(choice.line);
        } else if (choice.here) {
          cell.model.sharedModel.setSource(remove(now));
        }
        if (choice.run) {
          await run();
        }
      }
    });
    offer(palette, trans, [CommandIDs.runCell, CommandIDs.editCell]);
  }
};

function caption(
  trans: TranslationBundle,
  code: () => Cell | null
): () => string {
  return () => {
    const source = code()?.model.sharedModel.getSource() ?? '';
    return read(source)
      ? trans.__('Run this job cell')
      : trans.__('Run this cell as a distributed job');
  };
}

/** The settings that the next cell gets: those of the last one. */
class LastUsed {
  constructor(registry: ISettingRegistry | null) {
    void registry?.load(SETTINGS_ID).then(settings => {
      this._settings = settings;
    });
  }

  line(): IJobLine {
    const get = (key: string): unknown => this._settings?.get(key).composite;
    return {
      workers: (get('workers') as number | undefined) ?? 2,
      profile: (get('profile') as string | undefined) || undefined,
      detach: Boolean(get('detach')),
      others: []
    };
  }

  keep(line: IJobLine): void {
    const { workers = 2, profile = '', detach } = line;
    for (const [key, value] of Object.entries({ workers, profile, detach })) {
      if (this._settings && this._settings.get(key).composite !== value) {
        void this._settings.set(key, value);
      }
    }
  }

  private _settings: ISettingRegistry.ISettings | null = null;
}
