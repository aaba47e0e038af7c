/** The Emirates keep +04:00 all year, so a fixed shift is right, on a host in any time zone. */
const OFFSET_MS = 4 * 60 * 60 * 1000

/** DTM with its offset: 20260131094500+0400. */
export function hl7DateTime(at: Date): string {
  const local = new Date(at.getTime() + OFFSET_MS).toISOString()
  return `${local.slice(0, 19).replace(/[-:T]/g, '')}+0400`
}

/** DT from an ISO date: 2014-03-05 becomes 20140305. A birthday has no time zone. */
export function hl7Date(isoDate: string): string {
  return isoDate.replaceAll('-', '')
}
