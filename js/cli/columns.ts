/** Tables for a terminal's width: what does not fit is left out column by column, the least important first. */
import { paint } from './output.js'

export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => string
  /** The higher, the sooner it goes when the terminal is narrow; 0 never does. */
  readonly goes: number
  readonly colour?: (row: T) => 'red' | 'green' | 'yellow' | 'dim' | undefined
}

const GAP = 2
/** Right-to-left or wide letters make a column a little ragged; they hide nothing. */
const width = (text: string): number => Array.from(text).length

/** The width to lay out for: the terminal's, or COLUMNS; without either, everything is shown. */
export function terminalWidth(): number {
  const set = Number(process.env.COLUMNS)
  return process.stdout.isTTY ? process.stdout.columns : set > 0 ? set : Infinity
}

/** `titled`: whether a line of titles stands above; a table that goes on has none. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], titled = true, room = terminalWidth()): string {
  let shown = columns.map((column) => ({ column, cells: rows.map(column.value), wide: 0 }))
  for (const each of shown) each.wide = Math.max(width(each.column.title), ...each.cells.map(width))
  // A column with nothing in it says nothing.
  shown = shown.filter(({ cells, column }) => column.goes === 0 || cells.some((cell) => cell !== ''))
  const needed = (): number => shown.reduce((sum, { wide }) => sum + wide + GAP, -GAP)
  while (needed() > room) {
    const least = Math.max(...shown.map(({ column }) => column.goes))
    if (least === 0) break
    shown = shown.filter(({ column }) => column.goes !== least)
  }
  const line = (cells: { text: string; wide: number; colour?: Parameters<typeof paint>[0] | undefined }[]): string =>
    cells
      .map(({ text, wide, colour }, n) => {
        const blanks = n === cells.length - 1 ? '' : ' '.repeat(wide - width(text) + GAP)
        return (colour === undefined ? text : paint(colour, text)) + blanks
      })
      .join('')
      .trimEnd()
  const head = line(shown.map(({ column, wide }) => ({ text: column.title, wide, colour: 'dim' })))
  const body = rows.map((row, n) => line(shown.map(({ column, cells, wide }) => ({ text: cells[n] ?? '', wide, colour: column.colour?.(row) }))))
  return [...(titled ? [head] : []), ...body].map((each) => `${each}\n`).join('')
}
