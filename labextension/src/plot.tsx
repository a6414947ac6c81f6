/* One uPlot chart in the colours of the theme. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import uPlot from 'uplot';
import { MetricSeries } from './metrics';

const COLOURS = [
  '--jp-brand-color1',
  '--jp-warn-color1',
  '--jp-success-color1',
  '--jp-error-color1',
  '--jp-info-color1',
  '--jp-accent-color1'
];
const HEIGHT = 220;

/** Read when drawn, so that a chart follows a change of theme. */
function colour(name: string): string {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}

export function Plot(props: {
  curve: string;
  series: MetricSeries[];
  trans: TranslationBundle;
}): JSX.Element {
  const { curve, series, trans } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const plot = React.useRef<uPlot | null>(null);
  const jobs = series.map(s => s.job).join('\n');
  React.useEffect(() => {
    const node = host.current;
    if (!node) {
      return;
    }
    const chart = new uPlot(
      options(curve, series, trans),
      aligned(curve, series),
      node
    );
    plot.current = chart;
    const resized = new ResizeObserver(() =>
      chart.setSize({ width: Math.max(200, node.clientWidth), height: HEIGHT })
    );
    resized.observe(node);
    const themed = new MutationObserver(() => chart.redraw(false, true));
    themed.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
    return () => {
      themed.disconnect();
      resized.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [curve, jobs]);
  const data = aligned(curve, series);
  if (plot.current?.series.length === data.length) {
    plot.current.setData(data); // else it is about to be made anew
  }
  return (
    <figure className="jp-kf-plot">
      <figcaption>{curve}</figcaption>
      <div
        ref={host}
        role="img"
        aria-label={trans.__(
          '%1 over the steps; the table has the numbers',
          curve
        )}
      />
    </figure>
  );
}

function options(
  curve: string,
  series: MetricSeries[],
  trans: TranslationBundle
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colour('--jp-ui-font-color1'),
    grid: { stroke: () => colour('--jp-border-color2'), width: 1 },
    ticks: { stroke: () => colour('--jp-border-color2'), width: 1 }
  };
  return {
    width: 400,
    height: HEIGHT,
    scales: { x: { time: false } },
    series: [
      { label: trans.__('step') },
      ...series.map((s, i) => ({
        label: series.length > 1 ? s.job : curve,
        stroke: () => colour(COLOURS[i % COLOURS.length]),
        width: 2,
        spanGaps: true
      }))
    ],
    axes: [axis, { ...axis, size: 60 }]
  };
}

/** The curves of several jobs over the union of their steps. */
export function aligned(
  curve: string,
  series: MetricSeries[]
): uPlot.AlignedData {
  const found = series.map(s => s.curves.byName.get(curve));
  if (found.length === 1) {
    return [found[0]?.x ?? [], found[0]?.y ?? []];
  }
  const x = [...new Set(found.flatMap(c => c?.x ?? []))].sort((a, b) => a - b);
  const columns = found.map(c => {
    const at = new Map((c?.x ?? []).map((step, i) => [step, c?.y[i] ?? null]));
    return x.map(step => at.get(step) ?? null);
  });
  return [x, ...columns];
}
