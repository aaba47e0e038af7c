/** What the commands write: data to the standard output, words to the standard error stream. */
import type { Command } from 'commander'

/** A reader that has gone (`| head`) ends the command at once and in silence, as it does other programs. */
const READER_GONE = 0

/** Ends the process quietly when nobody reads its output any more. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(READER_GONE)
      throw error
    })
  }
}

/** Writes data; resolves when the reader has taken it, so that a million lines never wait in memory. */
export function out(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => {
      resolve()
    })
  })
}

/** One line of JSON. */
export function outJson(value: unknown): Promise<void> {
  return out(`${JSON.stringify(value)}\n`)
}

/** Words for a person. */
export function words(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** What the parser would print itself is thrown instead, and said in our own form. */
export function quietly(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
}

/**
 * Text of messages and of other people, safe on a terminal: control characters could move its cursor, change its title or
 * hide what stands before them, so they are written out.
 */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (letter) => {
    const number = letter.codePointAt(0) ?? 0
    return number < 0x100 ? `\\x${number.toString(16).padStart(2, '0')}` : `\\u${number.toString(16)}`
  })
}

type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'dim' | 'bold'
const CODES: Record<Colour, [number, number]> = { red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], dim: [2, 22], bold: [1, 22] }

/** Whether a stream takes colours: a terminal, unless NO_COLOR is set; FORCE_COLOR decides against both but NO_COLOR. */
function coloured(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true
  return stream.isTTY && TERM !== 'dumb'
}

export function paint(colour: Colour, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  if (!coloured(stream)) return text
  const [on, off] = CODES[colour]
  return `\u001b[${on}m${text}\u001b[${off}m`
}
