/* Opens a job in the main area, and again after a reload. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Clipboard,
  MainAreaWidget,
  Notification,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { jobIcon } from '../icon';
import { JobsModel } from '../model';
import { CommandIDs, DOMAIN, IJobs } from '../tokens';
import { IViewActions, JobView } from '../view';

export const viewPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:view',
  description: 'Shows one job in the main area.',
  autoStart: true,
  requires: [IJobs],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<JobView>>({
      namespace: 'jupyter-kf'
    });
    const actions: IViewActions = {
      cancel: name => void commands.execute(CommandIDs.cancelJob, { name }),
      interrupt: name =>
        void commands.execute(CommandIDs.interruptJob, { name }),
      remove: name => void commands.execute(CommandIDs.deleteJob, { name }),
      copy: text => {
        Clipboard.copyToSystem(text);
        Notification.success(trans.__('Copied'), { autoClose: 2000 });
      }
    };
    const make = (name: string): MainAreaWidget<JobView> => {
      const content = new JobView(model, name, trans, actions);
      const widget = new MainAreaWidget({ content });
      widget.toolbar.hide();
      widget.id = `jupyter-kf-job-${name}`;
      widget.title.label = name;
      widget.title.icon = jobIcon;
      widget.title.closable = true;
      return widget;
    };
    commands.addCommand(CommandIDs.openJob, {
      label: args => trans.__('Open the job %1', String(args.name ?? '')),
      execute: async args => {
        const name = String(args.name);
        let widget = tracker.find(w => w.content.job === name);
        if (!widget) {
          widget = make(name);
          shell.add(widget, 'main');
          if (!widget.isAttached) {
            widget.addClass('jp-kf-mod-side'); // Notebook 7 has room for one document only
            shell.add(widget, 'right');
          }
          await tracker.add(widget);
        }
        if (typeof args.tab === 'string') {
          widget.content.showTab(args.tab);
        }
        shell.activateById(widget.id);
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.openJob,
      args: widget => ({ name: widget.content.job }),
      name: widget => widget.content.job
    });
  }
};
