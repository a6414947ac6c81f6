/* Facts and tables as all pages show them. */
import * as React from 'react';

/** Names and values; what has no value is left out. */
export function Facts(props: { facts: [string, string][] }): JSX.Element {
  return (
    <dl className="jp-kf-facts">
      {props.facts
        .filter(([, value]) => value)
        .map(([key, value]) => (
          <React.Fragment key={key}>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
    </dl>
  );
}

export function Table(props: {
  caption: string;
  head: string[];
  rows: React.ReactNode[][];
  /** The column that names its row, if one does. */
  names?: number;
}): JSX.Element {
  const { caption, head, rows, names } = props;
  return (
    <table className="jp-kf-table">
      <caption>{caption}</caption>
      <thead>
        <tr>
          {head.map(title => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr key={i}>
            {row.map((cell, j) =>
              j === names ? (
                <th key={j} scope="row">
                  {cell}
                </th>
              ) : (
                <td key={j}>{cell}</td>
              )
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
