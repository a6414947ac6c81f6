/* Curves of one job or several over each other, and the same numbers as a table. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';
import { Choice, Tick } from './fields';
import { Plot } from './plot';
import { MetricSeries } from './metrics';
import { JobsModel } from './model';
import { Table } from './table';
import type { JobStatus } from './wire';

const MOST_OTHERS = 5;
const MOST_CHOICES = 200;
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
    .slice(0, MOST_CHOICES)
    .map((name): [string, string] => [name, name]);
  const why = !choices.length
    ? trans.__('There is no other job')
    : others.length >= MOST_OTHERS
      ? trans.__('No more than %1 jobs over each other', MOST_OTHERS + 1)
      : undefined;
  return (
    <>
      <div className="jp-kf-toolbar">
        <Choice
          label={trans.__('Compare with')}
          value=""
          set={name => setOthers([...others, name])}
          options={[['', trans.__('another job…')], ...choices]}
          disabled={Boolean(why)}
          title={why}
        />
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
        <Tick label={trans.__('As a table')} value={table} set={setTable} />
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
    <Table
      caption={curve}
      head={[trans.__('Job'), trans.__('Step'), trans.__('Value')]}
      names={0}
      rows={series.flatMap(({ job, curves }) => {
        const { x, y } = curves.byName.get(curve) ?? { x: [], y: [] };
        const from = Math.max(0, x.length - MOST_ROWS);
        return x
          .slice(from)
          .map((step, i) => [job, step, y[from + i]?.toPrecision(6)]);
      })}
    />
  );
}
