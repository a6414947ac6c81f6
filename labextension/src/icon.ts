import { LabIcon } from '@jupyterlab/ui-components';

const shape = (inside: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${inside}</g></svg>`;

/** One cell, several workers. */
export const jobIcon = new LabIcon({
  name: 'jupyter-kf:job',
  svgstr: shape(
    '<path d="M9 2h6v5H9zM2 17h5v5H2zM9.5 17h5v5h-5zM17 17h5v5h-5zM11 8h2v3h7.5v5h-2v-3H13v3h-2v-3H5.500v3h-2v-5H11z"/>'
  )
});

/** How the cell is sent out. */
export const optionsIcon = new LabIcon({
  name: 'jupyter-kf:options',
  svgstr: shape(
    '<path d="M9 2h6v4H9zM11 7h2v2h6v3h-2v-1H7v1H5V9h6zM3 14h8v2H3zm10 0h8v2h-8zM3 19h3v2H3zm5 0h13v2H8z"/>'
  )
});
