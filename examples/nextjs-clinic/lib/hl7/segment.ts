import { escapeHl7 } from './escape'

/** A field: text, or components (each text or subcomponents). Everything is escaped here and nowhere else. */
export type Field = string | readonly (string | readonly string[])[] | undefined

/** `fields` counts from 1, as HL7 does; what is missing stays empty, trailing empties are left out. Ends in CR. */
export function segment(name: string, fields: Readonly<Record<number, Field>>): string {
  const last = Math.max(0, ...Object.keys(fields).map(Number))
  const parts = [name]
  for (let n = 1; n <= last; n++) parts.push(encodeField(fields[n]))
  return `${trimEnd(parts, '').join('|')}\r`
}

function encodeField(field: Field): string {
  if (field === undefined) return ''
  if (typeof field === 'string') return escapeHl7(field)
  const components = field.map((c) => (typeof c === 'string' ? escapeHl7(c) : trimEnd(c.map(escapeHl7), '').join('&')))
  return trimEnd(components, '').join('^')
}

function trimEnd(parts: string[], empty: string): string[] {
  let end = parts.length
  while (end > 0 && parts[end - 1] === empty) end--
  return parts.slice(0, end)
}
