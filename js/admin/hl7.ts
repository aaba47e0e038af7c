/** A message as a tree of segments and fields, cut to what a person can read: a field may hold a document of megabytes. */

const SEGMENTS_MAX = 2_000
const FIELD_CHARACTERS_MAX = 2_000
const FIELDS_MAX = 500
/** Beyond this the page shows the message but does not offer to correct it. */
const EDITABLE_BYTES_MAX = 1 << 20

export interface Field {
  n: number
  text: string
  /** Of a field that was cut: how long it is. */
  characters?: number
}

export interface Content {
  bytes: number
  /** false: it is in the set that MSH-18 names, or some bytes are no UTF-8 and stand as U+FFFD. */
  utf8: boolean
  separators: { field: string; component: string; repetition: string; escape: string; subcomponent: string }
  segments: { name: string; fields: Field[]; more: number }[]
  /** Segments that are not shown. */
  more: number
  /** The whole, if it can be corrected here. */
  text: string | null
}

export function contentOf(bytes: Uint8Array): Content {
  const { text, utf8 } = decoded(bytes)
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line !== '')
  const header = lines[0] ?? ''
  const field = header.startsWith('MSH') || header.startsWith('FHS') ? (header[3] ?? '|') : '|'
  const [component = '^', repetition = '~', escape = '\\', subcomponent = '&'] = (header.split(field)[1] ?? '').slice(0, 4)
  return {
    bytes: bytes.byteLength,
    utf8,
    separators: { field, component, repetition, escape, subcomponent },
    segments: lines.slice(0, SEGMENTS_MAX).map((line) => segment(line, field)),
    more: Math.max(0, lines.length - SEGMENTS_MAX),
    text: utf8 && bytes.byteLength <= EDITABLE_BYTES_MAX ? lines.join('\r') : null,
  }
}

/** What MSH-18 may say besides UTF-8; the outbox takes the parts of 8859 under these names. */
const PART = /^(?:8859\/|iso[- ]?8859[-/])(\d{1,2})$/i

function decoded(bytes: Uint8Array): { text: string; utf8: boolean } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), utf8: true }
  } catch {
    return { text: new TextDecoder(labelOf(bytes)).decode(bytes), utf8: false }
  }
}

function labelOf(bytes: Uint8Array): string {
  const header = Buffer.from(bytes.subarray(0, 2_000)).toString('latin1').split(/[\r\n]/)[0] ?? ''
  const set = (header.split(header[3] ?? '|')[17] ?? '').split(header[5] ?? '~')[0] ?? ''
  const part = PART.exec(set)?.[1]
  if (part === undefined) return 'utf-8'
  try {
    return new TextDecoder(`iso-8859-${part}`).encoding
  } catch {
    return 'utf-8'
  }
}

function segment(line: string, separator: string): Content['segments'][number] {
  const [name = '', ...values] = line.split(separator)
  // MSH-1 is the separator itself.
  if (name === 'MSH') values.unshift(separator)
  const fields = values.slice(0, FIELDS_MAX).flatMap((text, index): Field[] => {
    if (text === '') return []
    const n = index + 1
    return text.length <= FIELD_CHARACTERS_MAX ? [{ n, text }] : [{ n, text: text.slice(0, FIELD_CHARACTERS_MAX), characters: text.length }]
  })
  return { name: name.slice(0, FIELD_CHARACTERS_MAX), fields, more: Math.max(0, values.length - FIELDS_MAX) }
}
