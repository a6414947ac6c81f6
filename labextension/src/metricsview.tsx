/* Curves of one job or several over each other, and the same numbers as a table. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';
import { Plot } from './plot';
import { MetricSeries } from './metrics';
import { JobsModel } from './model';
import type { JobStatus } from './wire';

const MOST_OTHERS = 5;
const MOST_ROWS = 200;

export function MetricsView(props: {
  model: JobsModel;
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, job, trans } = props;
  const [others, setOthers] = React.useState<string[]>([]);
  const [table, setTable] = React.useState(false);
  const names = [job.spec.name, ...others];
  const choices = model.jobs
    .map(each => each.spec.name)
    .filter(name => !names.includes(name))
    .slice(0, 200);
  return (
    <>
      <div className="jp-kf-toolbar">
        <label>
          {trans.__('Compare with')}{' '}
          <select
            className="jp-mod-styled"
            value=""
            disabled={!choices.length || others.length >= MOST_OTHERS}
            title={choices.length ? '' : trans.__('There is no other job')}
            onChange={event => setOthers([...others, event.target.value])}
          >
            <option value="">{trans.__('another job…')}</option>
            {choices.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        {others.map(name => (
          <button
            key={name}
            type="button"
            className="jp-kf-action"
            aria-label={trans.__('Take %1 out of the comparison', name)}
            onClick={() => setOthers(others.filter(other => other !== name))}
          >
            {name} ×
          </button>
        ))}
        <label>
          <input
            type="checkbox"
            checked={table}
            onChange={event => setTable(event.target.checked)}
          />{' '}
          {trans.__('As a table')}
        </label>
      </div>
      <Several names={names} model={model} trans={trans} table={table} />
    </>
  );
}

function Several(props: {
  names: string[];
  model: JobsModel;
  trans: TranslationBundle;
  table: boolean;
}): JSX.Element {
  const { names, model, trans } = props;
  const [series, setSeries] = React.useState<MetricSeries[]>([]);
  const [, draw] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    const leases = names.map(name => model.metrics(name));
    setSeries(leases.map(lease => lease.series));
    leases.slice(1).forEach(lease => lease.series.changed.connect(draw));
    return () => {
      leases.forEach(lease => {
        lease.series.changed.disconnect(draw);
        lease.dispose();
      });
    };
  }, [model, names.join('\n')]);
  if (!series.length) {
    return <></>;
  }
  return (
    <UseSignal signal={series[0].changed}>
      {() => {
        const curves = [
          ...new Set(series.flatMap(s => [...s.curves.byName.keys()]))
        ];
        if (!curves.length) {
          return <p className="jp-kf-empty">{trans.__('No metrics yet.')}</p>;
        }
        return (
          <div className="jp-kf-plots">
            {curves.map(curve =>
              props.table ? (
                <Numbers
                  key={curve}
                  curve={curve}
                  series={series}
                  trans={trans}
                />
              ) : (
                <Plot key={curve} curve={curve} series={series} trans={trans} />
              )
            )}
          </div>
        );
      }}
    </UseSignal>
  );
}

function Numbers(props: {
  curve: string;
  series: MetricSeries[];
  trans: TranslationBundle;
}): JSX.Element {
  const { curve, series, trans } = props;
  return (
    <table className="jp-kf-table">
      <caption>{curve}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Job')}</th>
          <th scope="col">{trans.__('Step')}</th>
          <th scope="col">{trans.__('Value')}</th>
        </tr>
      </thead>
      <tbody>
        {series.flatMap(s => {
          const found = s.curves.byName.get(curve);
          const from = Math.max(0, (found?.x.length ?? 0) - MOST_ROWS);
          return (found?.x.slice(from) ?? []).map((x, i) => (
            <tr key={`${s.job} ${x}`}>
              <th scope="row">{s.job}</th>
              <td>{x}</td>
              <td>{found?.y[from + i]?.toPrecision(6) ?? ''}</td>
            </tr>
          ));
        })}
      </tbody>
    </table>
  );
}
