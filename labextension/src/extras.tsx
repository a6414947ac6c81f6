/* The tabs that only some backends have: manifests and what the cluster said. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Unanswered, useAnswer } from './answer';
import type { Requests } from './request';
import { Table } from './table';
import { moment } from './words';

interface IProps {
  requests: Requests;
  name: string;
  trans: TranslationBundle;
}

export function Manifests(props: IProps): JSX.Element {
  const { requests, name, trans } = props;
  const [text, trouble] = useAnswer(() => requests.manifests(name), name);
  if (text === undefined) {
    return <Unanswered trouble={trouble} trans={trans} />;
  }
  return (
    <pre
      className="jp-kf-code"
      tabIndex={0}
      aria-label={trans.__('Manifests of %1', name)}
    >
      {text}
    </pre>
  );
}

export function Events(props: IProps): JSX.Element {
  const { requests, name, trans } = props;
  const [events, trouble] = useAnswer(() => requests.events(name), name);
  if (!events?.length) {
    const none = events && trans.__('The cluster keeps no events of this job.');
    return <Unanswered trouble={trouble || none || ''} trans={trans} />;
  }
  const now = Date.now() / 1000;
  return (
    <Table
      caption={trans.__('What the cluster said')}
      head={[
        trans.__('Time'),
        trans.__('About'),
        trans.__('Reason'),
        trans.__('Message')
      ]}
      rows={events.map(event => [
        moment(event.time, now),
        event.about,
        event.reason,
        event.message
      ])}
    />
  );
}
