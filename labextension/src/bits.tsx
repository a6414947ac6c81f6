/* Small pieces that the card, the panel and the view share. */
import { UseSignal } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ICurve, MetricSeries } from './metrics';
import { JobsModel } from './model';
import type { JobState, JobStatus } from './wire';
import { duration, elapsed, sign, stateWord } from './words';

/** A state, by sign, word and colour. */
export function State(props: {
  state: JobState;
  trans: TranslationBundle;
}): JSX.Element {
  const { state, trans } = props;
  return (
    <span className={`jp-kf-state jp-kf-mod-${state.toLowerCase()}`}>
      <span aria-hidden="true">{sign(state)}</span> {stateWord(trans, state)}
    </span>
  );
}

/** The time now in seconds, told once a second while `ticking`. */
export function useNow(ticking: boolean): number {
  const [now, setNow] = React.useState(Date.now() / 1000);
  React.useEffect(() => {
    if (!ticking) {
      return;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        setNow(Date.now() / 1000);
      }
    }, 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

/** How long a job has taken, counting on while it runs. */
export function Elapsed(props: { job: JobStatus }): JSX.Element | null {
  const running = props.job.started !== null && props.job.finished === null;
  const now = useNow(running);
  const seconds = elapsed(props.job, running ? Date.now() / 1000 : now);
  return seconds === null ? null : (
    <span className="jp-kf-time">{duration(seconds)}</span>
  );
}

/** A button that says why it is disabled. */
export function Action(props: {
  label: string;
  onClick: () => void;
  /** Why it cannot be pressed now; nothing if it can. */
  why?: string;
  name?: string;
  danger?: boolean;
}): JSX.Element {
  const { label, onClick, why, name, danger } = props;
  const className = danger ? 'jp-kf-action jp-mod-warn' : 'jp-kf-action';
  return (
    <button
      type="button"
      className={className}
      aria-label={name}
      aria-disabled={why ? true : undefined}
      title={why ?? name ?? label}
      onClick={() => {
        if (!why) {
          onClick();
        }
      }}
    >
      {label}
    </button>
  );
}

/** A name that opens what it names. */
export function Link(props: {
  text: string;
  onClick: () => void;
}): JSX.Element {
  return (
    <button type="button" className="jp-kf-link" onClick={props.onClick}>
      {props.text}
    </button>
  );
}

/** The metrics of a job for as long as the component is there. */
export function useMetrics(model: JobsModel, job: string): MetricSeries | null {
  const [series, setSeries] = React.useState<MetricSeries | null>(null);
  React.useEffect(() => {
    const lease = model.metrics(job);
    setSeries(lease.series);
    return () => lease.dispose();
  }, [model, job]);
  return series;
}

/** The step and the loss, with a small curve. */
export function Progress(props: {
  model: JobsModel;
  job: string;
  trans: TranslationBundle;
}): JSX.Element | null {
  const series = useMetrics(props.model, props.job);
  if (!series) {
    return null;
  }
  return (
    <UseSignal signal={series.changed}>
      {() => <Curve series={series} trans={props.trans} />}
    </UseSignal>
  );
}

function Curve(props: {
  series: MetricSeries;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { series, trans } = props;
  const main = series.curves.main();
  if (!main) {
    return null;
  }
  const [title, curve] = main;
  const name = title.replace(/ \(.*/, '');
  const last = series.curves.latest.get(name);
  const { epoch, step } = series.curves;
  const where = [
    epoch === null ? '' : trans.__('epoch %1', epoch + 1),
    step === null ? '' : trans.__('step %1', step)
  ].filter(Boolean);
  const line = points(curve);
  const value = last === undefined ? '' : `${name} ${last.toPrecision(4)}`;
  return (
    <span className="jp-kf-progress">
      {line && (
        <svg
          className="jp-kf-spark"
          viewBox="0 0 100 24"
          preserveAspectRatio="none"
          role="img"
          aria-label={trans.__('Curve of %1', name)}
        >
          <polyline points={line} vectorEffect="non-scaling-stroke" />
        </svg>
      )}
      <span>{[...where, value].filter(Boolean).join(' · ')}</span>
    </span>
  );
}

/** A curve as points in a box of 100 by 24. */
export function points(curve: ICurve): string {
  const known = curve.x
    .map((x, i) => [x, curve.y[i]] as const)
    .filter((p): p is readonly [number, number] => p[1] !== null);
  if (known.length < 2) {
    return '';
  }
  const values = known.map(p => p[1]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [start, end] = [known[0][0], known[known.length - 1][0]];
  const every = Math.ceil(known.length / 200);
  return known
    .filter((_, i) => i % every === 0 || i === known.length - 1)
    .map(([x, y]) => {
      const left = (100 * (x - start)) / (end - start || 1);
      const top = 2 + 20 * (1 - (y - low) / (high - low || 1));
      return `${left.toFixed(1)},${top.toFixed(1)}`;
    })
    .join(' ');
}
