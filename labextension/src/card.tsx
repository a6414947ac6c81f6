/* A job in a cell's output: live from the model, the notebook keeps only the last state. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { JSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';
import { Action, Elapsed, Progress, State } from './bits';
import { isFinished, JobsModel } from './model';
import { CARD_TYPE } from './tokens';
import type { JobStatus } from './wire';
import { moment, readyText } from './words';

/** What a card can have done. */
export interface ICardActions {
  cancel(name: string): void;
  open(name: string, tab?: string): void;
  /** Put and run a cell that applies the results; undefined outside of a notebook. */
  apply?: (name: string) => void;
}

interface ISaved {
  name: string;
  status: JobStatus | null;
}

export class JobCard extends ReactWidget implements IRenderMime.IRenderer {
  constructor(
    private _model: JobsModel,
    private _trans: TranslationBundle,
    private _actions: (card: JobCard) => ICardActions
  ) {
    super();
    this.addClass('jp-kf-card');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._saved = readSaved(model.data[CARD_TYPE]);
    this._mime = model;
    this.node.dataset.job = this._saved.name;
    this.update();
    return this.renderPromise ?? Promise.resolve();
  }

  protected render(): JSX.Element {
    const { _model: model, _trans: trans, _saved: saved } = this;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const job = model.get(saved.name);
          this._keep(job);
          return (
            <Card
              name={saved.name}
              job={job}
              saved={saved.status}
              model={model}
              trans={trans}
              actions={this._actions(this)}
            />
          );
        }}
      </UseSignal>
    );
  }

  /** Write the last state into the notebook, once: it is what a reader sees without a server. */
  private _keep(job: JobStatus | undefined): void {
    const { _saved: saved, _mime: mime } = this;
    if (!job || !mime || !isFinished(job.state)) {
      return;
    }
    const old = saved.status;
    if (old?.state === job.state && !(job.applied && !old.applied)) {
      return;
    }
    saved.status = job;
    const card = mime.data[CARD_TYPE] as ReadonlyPartialJSONObject;
    const last = {
      ...card,
      state: job.state,
      applied: job.applied !== null,
      status: job
    };
    // not while React draws
    requestAnimationFrame(() => {
      mime.setData({
        data: { ...mime.data, [CARD_TYPE]: last as unknown as JSONObject }
      });
    });
  }

  private _saved: ISaved = { name: '', status: null };
  private _mime: IRenderMime.IMimeModel | null = null;
}

function readSaved(data: unknown): ISaved {
  const card = (data ?? {}) as { name?: unknown; status?: JobStatus };
  return {
    name: typeof card.name === 'string' ? card.name : '',
    status: card.status?.spec ? card.status : null
  };
}

function Card(props: {
  name: string;
  job: JobStatus | undefined;
  saved: JobStatus | null;
  model: JobsModel;
  trans: TranslationBundle;
  actions: ICardActions;
}): JSX.Element {
  const { name, model, trans, actions } = props;
  const job = props.job ?? props.saved;
  const gone = !props.job && model.ready;
  return (
    <div role="group" aria-label={trans.__('Job %1', name)}>
      <div className="jp-kf-card-line">
        {job && !(gone && !isFinished(job.state)) && (
          <State state={job.state} trans={trans} />
        )}
        <strong className="jp-kf-name">{name}</strong>
        {job && <span>{readyText(trans, job)}</span>}
        {job && !gone && <Elapsed job={job} />}
        {job && props.job && (
          <Progress model={model} job={name} trans={trans} />
        )}
        <span className="jp-kf-actions">
          {props.job && (
            <Buttons job={props.job} trans={trans} actions={actions} />
          )}
        </span>
      </div>
      <div className="jp-kf-reason">{sentence(props, job, gone)}</div>
    </div>
  );
}

function Buttons(props: {
  job: JobStatus;
  trans: TranslationBundle;
  actions: ICardActions;
}): JSX.Element {
  const { job, trans, actions } = props;
  const name = job.spec.name;
  const finished = isFinished(job.state);
  const offer = job.state === 'SUCCEEDED' && !job.applied && actions.apply;
  return (
    <>
      {offer && (
        <Action
          label={trans.__('Apply results')}
          name={trans.__('Apply the results of %1 in this notebook', name)}
          onClick={() => actions.apply?.(name)}
        />
      )}
      {!finished && (
        <Action
          label={trans.__('Cancel')}
          name={trans.__('Cancel %1', name)}
          onClick={() => actions.cancel(name)}
        />
      )}
      <Action
        label={trans.__('Logs')}
        name={trans.__('Show the logs of %1', name)}
        onClick={() => actions.open(name, 'logs')}
      />
      <Action
        label={trans.__('Details')}
        name={trans.__('Show the details of %1', name)}
        onClick={() => actions.open(name)}
      />
    </>
  );
}

function sentence(
  props: { model: JobsModel; trans: TranslationBundle },
  job: JobStatus | null,
  gone: boolean
): string {
  const { model, trans } = props;
  const parts: string[] = [];
  const now = Date.now() / 1000;
  if (job?.finished) {
    const when = moment(job.finished, now);
    parts.push(
      job.applied
        ? trans.__('Ended %1, results applied.', when)
        : trans.__('Ended %1.', when)
    );
  }
  if (gone) {
    parts.push(trans.__('The job has been deleted.'));
  } else if (job?.reason) {
    parts.push(job.reason);
  }
  if (!model.connected && job && !isFinished(job.state)) {
    parts.push(
      trans.__('Not connected to the server; this may be out of date.')
    );
  } else if (model.trouble && job && !isFinished(job.state)) {
    parts.push(model.trouble);
  }
  return parts.join(' ');
}
