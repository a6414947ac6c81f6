/* Signatures, sizes and versions in words. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Graph, GraphVersion, Tensor } from './graphwire';

/** float32[?, 8]; a scalar is float32[]. */
export function tensorText(trans: TranslationBundle, tensor: Tensor): string {
  const axes = tensor.shape?.map(length => length ?? '?').join(', ');
  return axes === undefined
    ? trans.__('%1 of any shape', tensor.dtype)
    : `${tensor.dtype}[${axes}]`;
}

/** A tensor by name, if it has one. */
export function inputText(trans: TranslationBundle, tensor: Tensor): string {
  const text = tensorText(trans, tensor);
  return tensor.name ? `${tensor.name} ${text}` : text;
}

export function kindText(
  trans: TranslationBundle,
  version: GraphVersion
): string {
  return version.kind === 'TRAINING'
    ? trans.__('training')
    : trans.__('forward');
}

/** 1.5 kB, 12 MB. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) {
    bytes /= 1000;
    at++;
  }
  return `${bytes < 10 && at ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
}

/** The versions of a graph to choose from, the newest first. */
export function numberOptions(graph: Graph): [number, string][] {
  return graph.versions.map(({ version }) => [version, String(version)]);
}
