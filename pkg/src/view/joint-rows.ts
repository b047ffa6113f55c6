/** The mask of one head whose text lies on several hosts: each has the queries that it computed and the rows that it stores. */
import { type HeadHistory, type MaskRows, PLANES } from './head-history.js';

/** What the hosts read and store together. A row that one of them dropped and another has is not gone. */
export function jointRows(hosts: readonly HeadHistory[]): MaskRows {
  let planes = PLANES.map(() => new Uint32Array());
  return {
    get length() {
      return Math.max(...hosts.map(({ length }) => length));
    },
    row(query, out) {
      if (planes[0].length !== out[0].length) planes = PLANES.map(() => new Uint32Array(out[0].length));
      for (const plane of out) plane.fill(0);
      for (const host of hosts) {
        host.row(query, planes);
        for (const [i, plane] of planes.entries()) for (let w = 0; w < plane.length; w++) out[i][w] |= plane[w];
      }
      const [, stored, evicted] = out;
      for (let w = 0; w < evicted.length; w++) evicted[w] &= ~stored[w];
    },
  };
}
