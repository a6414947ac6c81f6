/* The part of a form that both dialogs have: what a run takes, made from the graph's signature. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { CountField, TextField, Tick } from './fields';
import type { GraphsModel } from './graphmodel';
import type { GraphVersion, RunRequest } from './graphwire';
import { ProfileField } from './profiles';
import { inputText } from './signature';

const BATCH = '32'; // what the server takes unless told otherwise

export function RunFields(props: {
  model: GraphsModel;
  version: GraphVersion;
  trans: TranslationBundle;
  run: RunRequest;
  set: (run: RunRequest) => void;
}): JSX.Element {
  const { model, version, trans, run } = props;
  const set = (change: Partial<RunRequest>): void =>
    props.set({ ...run, ...change });
  const help = React.useId();
  const trains = version.kind === 'TRAINING';
  return (
    <>
      <TextField
        label={trans.__('Data')}
        required={!version.has_data}
        spellCheck={false}
        aria-describedby={help}
        placeholder={
          version.has_data
            ? trans.__('the dataset stored with it')
            : trans.__('an .npz, or the folder of a dataset')
        }
        value={run.data ?? ''}
        set={data => set({ data })}
      />
      <p id={help} className="jp-kf-why">
        {trans.__(
          'Of each example it takes %1',
          version.inputs.map(each => inputText(trans, each)).join(', ')
        )}
      </p>
      {run.data && (
        <CountField
          label={trans.__('Rows of a batch')}
          placeholder={BATCH}
          value={run.batch_size ?? undefined}
          set={rows => set({ batch_size: rows ?? null })}
        />
      )}
      <CountField
        label={trans.__('Steps')}
        placeholder={
          version.steps === null
            ? trans.__('once through the data')
            : String(version.steps)
        }
        value={run.steps ?? undefined}
        set={steps => set({ steps: steps ?? null })}
      />
      {version.asks.length > 0 && (
        <Tick
          label={trans.__(
            'It may read or write files: %1',
            version.asks.join(', ')
          )}
          required
          value={run.allow !== undefined}
          set={on => set({ allow: on ? version.asks : undefined })}
        />
      )}
      {trains && (
        <CountField
          label={trans.__('Workers')}
          max={99999}
          required
          value={run.workers || undefined}
          set={workers => set({ workers: workers ?? 0 })}
        />
      )}
      <ProfileField
        model={model.jobs}
        trans={trans}
        value={run.profile ?? ''}
        set={profile => set({ profile })}
      />
    </>
  );
}
