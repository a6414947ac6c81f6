/* What the administrator offers; shown only where there is something. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IProfile, Requests } from './request';

/** The profiles of this server, asked for once. */
export function useProfiles(requests: Requests): IProfile[] {
  const [profiles, setProfiles] = React.useState<IProfile[]>([]);
  React.useEffect(() => {
    let wanted = true;
    requests.profiles().then(
      found => wanted && setProfiles(found),
      () => undefined // a server without a catalogue offers none
    );
    return () => {
      wanted = false;
    };
  }, [requests]);
  return profiles;
}

export function Profiles(props: {
  requests: Requests;
  trans: TranslationBundle;
}): JSX.Element | null {
  const profiles = useProfiles(props.requests);
  if (!profiles.length) {
    return null;
  }
  return (
    <details className="jp-kf-profiles">
      <summary>{props.trans.__('Profiles')}</summary>
      <dl>
        {profiles.map(profile => (
          <React.Fragment key={profile.name}>
            <dt>{profile.name}</dt>
            <dd>{profile.title || profile.description}</dd>
          </React.Fragment>
        ))}
      </dl>
    </details>
  );
}
