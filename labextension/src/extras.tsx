/* The tabs that only some backends have: manifests and what the cluster said. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useAnswer } from './answer';
import type { Requests } from './request';
import { moment } from './words';

interface IProps {
  requests: Requests;
  name: string;
  trans: TranslationBundle;
}

export function Manifests(props: IProps): JSX.Element {
  const { requests, name, trans } = props;
  const [text, trouble] = useAnswer(() => requests.manifests(name), name);
  return (
    <pre
      className="jp-kf-code"
      tabIndex={0}
      aria-label={trans.__('Manifests of %1', name)}
    >
      {trouble || (text ?? trans.__('Asking…'))}
    </pre>
  );
}

export function Events(props: IProps): JSX.Element {
  const { requests, name, trans } = props;
  const [events, trouble] = useAnswer(() => requests.events(name), name);
  if (!events?.length) {
    const none = events && trans.__('The cluster keeps no events of this job.');
    return (
      <p className="jp-kf-empty">{trouble || none || trans.__('Asking…')}</p>
    );
  }
  const now = Date.now() / 1000;
  return (
    <table className="jp-kf-table">
      <caption>{trans.__('What the cluster said')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Time')}</th>
          <th scope="col">{trans.__('About')}</th>
          <th scope="col">{trans.__('Reason')}</th>
          <th scope="col">{trans.__('Message')}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event, i) => (
          <tr key={i}>
            <td>{moment(event.time, now)}</td>
            <td>{event.about}</td>
            <td>{event.reason}</td>
            <td>{event.message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
