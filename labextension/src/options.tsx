/* The popover that edits a cell's first line. */
import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { CountField, Tick } from './fields';
import { format, IJobLine } from './magic';
import type { JobsModel } from './model';
import { JOB_NAME, NameField } from './names';
import { ProfileField } from './profiles';

const EDGE = 8; // pixels to the edge of the window

export interface IChoice {
  /** The line to put on the cell. */
  line?: IJobLine;
  /** Take the line off: the cell runs here. */
  here?: boolean;
  run?: boolean;
}

/** Let the user choose, beside the cell; nothing is chosen on Escape or a click elsewhere. */
export function openOptions(
  cell: Cell,
  line: IJobLine,
  model: JobsModel,
  trans: TranslationBundle
): Promise<IChoice> {
  return new Promise(resolve => {
    const before = document.activeElement;
    const close = (choice: IChoice): void => {
      sized.disconnect();
      document.removeEventListener('pointerdown', outside, true);
      widget.dispose();
      if (before instanceof HTMLElement) {
        before.focus();
      }
      resolve(choice);
    };
    const outside = (event: Event): void => {
      if (!widget.node.contains(event.target as Node)) {
        close({});
      }
    };
    const widget = ReactWidget.create(
      <Options line={line} model={model} trans={trans} close={close} />
    );
    widget.node.setAttribute('role', 'dialog');
    widget.node.setAttribute('aria-label', trans.__('How this cell runs'));
    widget.addClass('jp-kf-popover');
    Widget.attach(widget, document.body);
    // what is free and which profiles there are comes later
    const sized = new ResizeObserver(() => place(widget.node, cell.node));
    sized.observe(widget.node);
    document.addEventListener('pointerdown', outside, true);
  });
}

/** Put the popover below the cell's toolbar, or as high as it must be to be seen whole. */
function place(popover: HTMLElement, cell: HTMLElement): void {
  const box = cell.getBoundingClientRect();
  const lowest = window.innerHeight - popover.offsetHeight - EDGE;
  popover.style.top = `${Math.max(EDGE, Math.min(box.top + 32, lowest))}px`;
  popover.style.right = `${Math.max(EDGE, window.innerWidth - box.right + 16)}px`;
}

function Options(props: {
  line: IJobLine;
  model: JobsModel;
  trans: TranslationBundle;
  close: (choice: IChoice) => void;
}): JSX.Element {
  const { model, trans, close } = props;
  const [line, setLine] = React.useState(props.line);
  const set = (change: Partial<IJobLine>): void =>
    setLine({ ...line, ...change });
  const form = React.useRef<HTMLFormElement>(null);
  React.useEffect(() => form.current?.querySelector('input')?.select(), []);
  const done = (run: boolean): void => {
    if (form.current?.reportValidity()) {
      close({ line, run });
    }
  };
  return (
    <form
      ref={form}
      onSubmit={event => {
        event.preventDefault();
        done(true);
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          close({});
        }
        stayInside(event);
      }}
    >
      <h3>{trans.__('Run as a distributed job')}</h3>
      <CountField
        label={trans.__('Workers')}
        max={99999}
        required
        value={line.workers}
        set={workers => set({ workers })}
      />
      <ProfileField
        model={model}
        trans={trans}
        value={line.profile ?? ''}
        set={profile => set({ profile: profile || undefined })}
      />
      <NameField
        most={JOB_NAME}
        label={trans.__('Name')}
        placeholder={trans.__('made from the notebook')}
        value={line.name ?? ''}
        set={name => set({ name: name || undefined })}
        trans={trans}
      />
      <Tick
        label={trans.__('Detach: go on without the notebook')}
        value={line.detach}
        set={detach => set({ detach })}
      />
      <code aria-label={trans.__('First line of the cell')}>
        {format(line)}
      </code>
      <div className="jp-kf-popover-buttons">
        <button
          type="button"
          className="jp-mod-styled jp-mod-reject"
          onClick={() => close({ here: true })}
        >
          {trans.__('Not a job')}
        </button>
        <button
          type="button"
          className="jp-mod-styled jp-mod-reject"
          onClick={() => done(false)}
        >
          {trans.__('Set')}
        </button>
        <button type="submit" className="jp-mod-styled jp-mod-accept">
          {trans.__('Run')}
        </button>
      </div>
    </form>
  );
}

/** Tab goes round inside the popover. */
function stayInside(event: React.KeyboardEvent<HTMLFormElement>): void {
  if (event.key !== 'Tab') {
    return;
  }
  const fields = [
    ...event.currentTarget.querySelectorAll<HTMLElement>(
      'input, select, button'
    )
  ];
  const edge = event.shiftKey ? fields[0] : fields[fields.length - 1];
  if (document.activeElement === edge) {
    event.preventDefault();
    (event.shiftKey ? fields[fields.length - 1] : fields[0]).focus();
  }
}
