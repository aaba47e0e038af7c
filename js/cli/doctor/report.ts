/** What the doctor says, one line a check. */

export type State = 'ok' | 'warning' | 'error'

export interface Finding {
  check: string
  state: State
  message: string
  /** What to do; null when all is well. */
  remedy: string | null
}

export function ok(check: string, message: string): Finding {
  return { check, state: 'ok', message, remedy: null }
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, state: 'warning', message, remedy }
}

export function error(check: string, message: string, remedy: string): Finding {
  return { check, state: 'error', message, remedy }
}

/** The worst of all. */
export function worst(findings: Finding[]): State {
  const has = (state: State): boolean => findings.some((finding) => finding.state === state)
  if (has('error')) return 'error'
  return has('warning') ? 'warning' : 'ok'
}

export function words(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const indent = ' '.repeat('warning'.length + width + 4)
  const lines = findings.flatMap(({ check, state, message, remedy }) => {
    const line = `${state.padEnd('warning'.length)}  ${check.padEnd(width)}  ${message}`
    return remedy === null ? [line] : [line, `${indent}${remedy}`]
  })
  return `${lines.join('\n')}\n`
}
