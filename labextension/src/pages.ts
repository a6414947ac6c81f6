/* Pages of the main area, each of one thing with a name: opened once, and there again after a reload. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';
import { jobIcon } from './icon';

export interface IPage extends Widget {
  readonly name: string;
  /** Bring a part of it to the front. */
  present(part: string): void;
}

export interface IPageKind {
  /** What the ids of its pages begin with. */
  id: string;
  /** The command that opens one by `name`, perhaps at a `tab`. */
  command: string;
  label: string;
  /** The title of a page's tab in full. */
  caption: (name: string) => string;
  /** The name to open where the command is given none; nothing if the user wants none. */
  choose: () => Promise<string | null>;
  make: (name: string) => IPage;
}

/** Add the command that opens pages of a kind. */
export function addPages(
  app: JupyterFrontEnd,
  restorer: ILayoutRestorer | null,
  kind: IPageKind
): void {
  const { commands, shell } = app;
  const tracker = new WidgetTracker<MainAreaWidget<IPage>>({
    namespace: kind.id
  });
  const open = async (name: string): Promise<MainAreaWidget<IPage>> => {
    let page = tracker.find(each => each.content.name === name);
    if (!page) {
      page = framed(kind, name);
      shell.add(page, 'main');
      if (!page.isAttached) {
        page.addClass('jp-kf-mod-side'); // Notebook 7 has room for one document only
        shell.add(page, 'right');
      }
      await tracker.add(page);
    }
    return page;
  };
  commands.addCommand(kind.command, {
    label: kind.label,
    icon: jobIcon,
    execute: async args => {
      const name =
        typeof args.name === 'string' ? args.name : await kind.choose();
      if (!name) {
        return;
      }
      const page = await open(name);
      if (typeof args.tab === 'string') {
        page.content.present(args.tab);
      }
      shell.activateById(page.id);
    }
  });
  void restorer?.restore(tracker, {
    command: kind.command,
    args: page => ({ name: page.content.name }),
    name: page => page.content.name
  });
}

function framed(kind: IPageKind, name: string): MainAreaWidget<IPage> {
  const page = new MainAreaWidget({ content: kind.make(name) });
  page.toolbar.hide();
  page.id = `${kind.id}-${name}`;
  page.title.label = name;
  page.title.caption = kind.caption(name);
  page.title.icon = jobIcon;
  page.title.closable = true;
  return page;
}
