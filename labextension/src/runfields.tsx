/* The part of a form that both dialogs have: what a run takes, made from the graph's signature. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { GraphsModel } from './graphmodel';
import type { GraphVersion, RunRequest } from './graphwire';
import { freeText, usePlaces, useProfiles } from './profiles';
import { inputText } from './signature';

const BATCH = '32'; // what the server takes unless told otherwise

export function RunFields(props: {
  model: GraphsModel;
  version: GraphVersion;
  trans: TranslationBundle;
  run: RunRequest;
  set: (run: RunRequest) => void;
}): JSX.Element {
  const { model, version, trans, run, set } = props;
  const profiles = useProfiles(model.jobs.requests);
  const places = usePlaces(model.jobs, true);
  const first = React.useRef<HTMLInputElement>(null);
  const help = React.useId();
  const trains = version.kind === 'TRAINING';
  React.useEffect(() => first.current?.focus(), []);
  return (
    <>
      <label>
        {trans.__('Data')}
        <input
          type="text"
          className="jp-mod-styled"
          ref={first}
          required={!version.has_data}
          spellCheck={false}
          aria-describedby={help}
          placeholder={
            version.has_data
              ? trans.__('the dataset stored with it')
              : trans.__('an .npz, or the folder of a dataset')
          }
          value={run.data ?? ''}
          onChange={event => set({ ...run, data: event.target.value })}
        />
      </label>
      <p id={help} className="jp-kf-why">
        {trans.__(
          'Of each example it takes %1',
          version.inputs.map(each => inputText(trans, each)).join(', ')
        )}
      </p>
      {run.data && (
        <label>
          {trans.__('Rows of a batch')}
          <input
            type="number"
            className="jp-mod-styled"
            min={1}
            placeholder={BATCH}
            value={run.batch_size ?? ''}
            onChange={event =>
              set({ ...run, batch_size: event.target.valueAsNumber || null })
            }
          />
        </label>
      )}
      <label>
        {trans.__('Steps')}
        <input
          type="number"
          className="jp-mod-styled"
          min={1}
          placeholder={
            version.steps === null
              ? trans.__('once through the data')
              : String(version.steps)
          }
          value={run.steps ?? ''}
          onChange={event =>
            set({ ...run, steps: event.target.valueAsNumber || null })
          }
        />
      </label>
      {version.asks.length > 0 && (
        <label className="jp-kf-check">
          <input
            type="checkbox"
            required
            checked={run.allow !== undefined}
            onChange={event =>
              set({
                ...run,
                allow: event.target.checked ? version.asks : undefined
              })
            }
          />
          {trans.__('It may read or write files: %1', version.asks.join(', '))}
        </label>
      )}
      <label hidden={!trains}>
        {trans.__('Workers')}
        <input
          type="number"
          className="jp-mod-styled"
          min={1}
          max={99999}
          required
          value={run.workers || ''}
          onChange={event =>
            set({ ...run, workers: event.target.valueAsNumber || 0 })
          }
        />
      </label>
      <p className="jp-kf-why" role="status">
        {freeText(trans, places[run.profile ?? ''])}
      </p>
      {profiles.length > 0 && (
        <label>
          {trans.__('Profile')}
          <select
            className="jp-mod-styled"
            value={run.profile ?? ''}
            onChange={event => set({ ...run, profile: event.target.value })}
          >
            <option value="">{trans.__('as this notebook')}</option>
            {profiles.map(profile => (
              <option key={profile.name} value={profile.name}>
                {profile.title || profile.name}
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}
