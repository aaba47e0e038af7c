/** What a line may carry. No free text and no patient: a name in a log is a leak that no retention rule finds again. */
interface Facts {
  code?: string
  visitId?: string
  rowId?: string
  actor?: string
  count?: number
}

/** One JSON line on stdout. */
export function log(event: string, facts: Facts = {}): void {
  console.log(JSON.stringify({ at: new Date().toISOString(), event, ...facts }))
}

/**
 * The code of an error, or its class. Never its message or its other fields: PostgreSQL puts the offending values in
 * `detail`, and a parser may quote what it could not read.
 */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    const { code, name } = error as { code?: unknown; name?: unknown }
    if (typeof code === 'string') return code
    if (typeof name === 'string') return name
  }
  return 'UNKNOWN'
}
