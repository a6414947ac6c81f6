/* The popover that edits a cell's first line. */
import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { format, IJobLine } from './magic';
import type { JobsModel } from './model';
import type { IPlaces } from './request';
import { freeText, usePlaces, useProfiles } from './profiles';

export interface IChoice {
  /** The line to put on the cell. */
  line?: IJobLine;
  /** Take the line off: the cell runs here. */
  here?: boolean;
  run?: boolean;
}

const NAME = '[a-z0-9]([a-z0-9\\-]{0,55}[a-z0-9])?';

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
    place(widget, cell);
    document.addEventListener('pointerdown', outside, true);
  });
}

function place(widget: Widget, cell: Cell): void {
  Widget.attach(widget, document.body);
  const box = cell.node.getBoundingClientRect();
  const { style } = widget.node;
  style.top = `${Math.max(8, Math.min(box.top + 32, window.innerHeight - 340))}px`;
  style.right = `${Math.max(8, window.innerWidth - box.right + 16)}px`;
}

function Options(props: {
  line: IJobLine;
  model: JobsModel;
  trans: TranslationBundle;
  close: (choice: IChoice) => void;
}): JSX.Element {
  const { trans, close } = props;
  const [line, setLine] = React.useState(props.line);
  const profiles = useProfiles(props.model.requests);
  const places = usePlaces(props.model, true);
  const set = (change: Partial<IJobLine>): void =>
    setLine({ ...line, ...change });
  const named = profiles.some(profile => profile.name === line.profile);
  const form = React.useRef<HTMLFormElement>(null);
  const first = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => first.current?.select(), []);
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
      <label>
        {trans.__('Workers')}
        <input
          type="number"
          className="jp-mod-styled"
          min={1}
          max={99999}
          required
          ref={first}
          value={line.workers ?? ''}
          onChange={event =>
            set({ workers: event.target.valueAsNumber || undefined })
          }
        />
      </label>
      <p className="jp-kf-free" role="status">
        {freeText(trans, places[line.profile ?? ''])}
      </p>
      {profiles.length > 0 || line.profile ? (
        <label>
          {trans.__('Profile')}
          <select
            className="jp-mod-styled"
            value={line.profile ?? ''}
            onChange={event =>
              set({ profile: event.target.value || undefined })
            }
          >
            <option value="">{trans.__('as this notebook')}</option>
            {line.profile && !named && <option>{line.profile}</option>}
            {profiles.map(profile => (
              <option key={profile.name} value={profile.name}>
                {profile.title || profile.name}
                {known(places[profile.name]) &&
                  ` (${freeText(trans, places[profile.name])})`}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      <label>
        {trans.__('Name')}
        <input
          type="text"
          className="jp-mod-styled"
          pattern={NAME}
          title={trans.__(
            'At most 57 of a-z, 0-9 and -, with a letter or digit at both ends'
          )}
          placeholder={trans.__('made from the notebook')}
          value={line.name ?? ''}
          onChange={event => set({ name: event.target.value || undefined })}
        />
      </label>
      <label className="jp-kf-check">
        <input
          type="checkbox"
          checked={line.detach}
          onChange={event => set({ detach: event.target.checked })}
        />
        {trans.__('Detach: go on without the notebook')}
      </label>
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

function known(places: IPlaces | undefined): boolean {
  return (places?.free ?? null) !== null;
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
