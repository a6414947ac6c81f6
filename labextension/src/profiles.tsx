/* What the administrator offers, and how much of it is free now. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useAnswer } from './answer';
import { Choice } from './fields';
import type { JobsModel } from './model';
import type { IPlaces, IProfile, Requests } from './request';

const PAUSE = 2000; // milliseconds at least between two questions for free places

type Places = Record<string, IPlaces>;

/** The profiles of this server, asked for once; a server without a catalogue offers none. */
function useProfiles(requests: Requests): IProfile[] {
  const [profiles = []] = useAnswer(() => requests.profiles(), '');
  return profiles;
}

/** The free places by profile, asked for anew when jobs have changed; never while hidden. */
function usePlaces(model: JobsModel, visible: boolean): Places {
  const [places, setPlaces] = React.useState<Places>({});
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void => {
      timer = undefined;
      model.requests.places().then(
        found => wanted && setPlaces(found),
        () => wanted && setPlaces({}) // then they are not known
      );
    };
    const changed = (): void => {
      timer ??= setTimeout(ask, PAUSE);
    };
    ask();
    model.changed.connect(changed);
    return () => {
      wanted = false;
      clearTimeout(timer);
      model.changed.disconnect(changed);
    };
  }, [model, visible]);
  return places;
}

/** What is free, in words; that it is not known is said, and is not nothing. */
function freeText(
  trans: TranslationBundle,
  places: IPlaces | undefined
): string {
  const { free = null, total = null } = places ?? {};
  if (free === null) {
    return trans.__('Free places not known');
  }
  return total === null
    ? trans._n('%1 place free', '%1 places free', free)
    : trans.__('%1 of %2 places free', free, total);
}

/** A field of a form: which profile, and what is free of it now. */
export function ProfileField(props: {
  model: JobsModel;
  trans: TranslationBundle;
  value: string;
  set: (value: string) => void;
}): JSX.Element {
  const { model, trans, value, set } = props;
  const profiles = useProfiles(model.requests);
  const places = usePlaces(model, true);
  const options: [string, string][] = [
    ['', trans.__('as this notebook')],
    ...profiles.map(({ name, title }): [string, string] => {
      const known = (places[name]?.free ?? null) !== null;
      const free = known ? ` (${freeText(trans, places[name])})` : '';
      return [name, (title || name) + free];
    })
  ];
  if (!options.some(([name]) => name === value)) {
    options.push([value, value]); // one that the text names, and nobody offers here
  }
  return (
    <>
      {options.length > 1 && (
        <Choice {...{ value, set, options }} label={trans.__('Profile')} />
      )}
      <p className="jp-kf-free" role="status">
        {freeText(trans, places[value])}
      </p>
    </>
  );
}

/** A part of the panel: all profiles. */
export function Profiles(props: {
  model: JobsModel;
  trans: TranslationBundle;
  visible: boolean;
}): JSX.Element {
  const { model, trans, visible } = props;
  const profiles = useProfiles(model.requests);
  const places = usePlaces(model, visible);
  if (!profiles.length) {
    return <p className="jp-kf-profiles">{freeText(trans, places[''])}</p>;
  }
  return (
    <details className="jp-kf-profiles" open>
      <summary>{trans.__('Profiles')}</summary>
      <dl>
        {profiles.map(profile => (
          <React.Fragment key={profile.name}>
            <dt>{profile.title || profile.name}</dt>
            <dd>
              {profile.description && <span>{profile.description}</span>}
              <span>{freeText(trans, places[profile.name])}</span>
            </dd>
          </React.Fragment>
        ))}
      </dl>
    </details>
  );
}
