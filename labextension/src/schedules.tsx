/* Schedules in a list, each with what can be done to it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { deletionWanted } from './asking';
import { Action } from './bits';
import type { GraphsModel } from './graphmodel';
import type { ScheduleAction } from './graphrequest';
import type { ScheduleStatus } from './graphwire';

interface IProps {
  model: GraphsModel;
  trans: TranslationBundle;
  rows: readonly ScheduleStatus[];
}

export function Schedules(props: IProps): JSX.Element | null {
  const { model, trans, rows } = props;
  const [trouble, setTrouble] = React.useState('');
  const act = async (name: string, action: ScheduleAction): Promise<void> => {
    try {
      await model.requests.actOnSchedule(name, action);
      setTrouble('');
    } catch (error) {
      setTrouble((error as Error).message);
    }
    await model.refresh();
  };
  const remove = async (name: string): Promise<void> => {
    const title = trans.__('Delete this schedule?');
    const body = trans.__(
      '%1 will not run any more. The jobs it has begun stay.',
      name
    );
    if (await deletionWanted(trans, title, body)) {
      await act(name, 'delete');
    }
  };
  if (!rows.length && !trouble) {
    return null;
  }
  return (
    <>
      <h3>{trans.__('Schedules')}</h3>
      <div role="alert" className={trouble ? 'jp-kf-trouble' : ''}>
        {trouble}
      </div>
      <ul aria-label={trans.__('Schedules')}>
        {rows.map(({ spec, paused, next, running, trouble: why }) => (
          <li key={spec.name} data-schedule={spec.name}>
            <div className="jp-kf-row-line">
              <span className="jp-kf-row-name">{spec.name}</span>
              <Action
                label={paused ? trans.__('Resume') : trans.__('Pause')}
                name={
                  paused
                    ? trans.__('Resume the schedule %1', spec.name)
                    : trans.__('Pause the schedule %1', spec.name)
                }
                onClick={() => void act(spec.name, paused ? 'resume' : 'pause')}
              />
              <Action
                label={trans.__('Delete')}
                name={trans.__('Delete the schedule %1', spec.name)}
                danger
                onClick={() => void remove(spec.name)}
              />
            </div>
            <div className="jp-kf-row-facts">
              {[
                spec.graph,
                `${spec.cron} (${spec.time_zone})`,
                paused
                  ? trans.__('paused')
                  : next !== null && trans.__('next %1', whenText(next)),
                running > 0 && trans.__('runs now')
              ]
                .filter(Boolean)
                .join(' · ')}
            </div>
            {why && <div className="jp-kf-reason">{why}</div>}
          </li>
        ))}
      </ul>
    </>
  );
}

/** A moment to come, with its day. */
function whenText(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(undefined, {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit'
  });
}
