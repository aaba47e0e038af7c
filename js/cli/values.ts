/** Values of options that are more than text. */
import { InvalidArgumentError } from 'commander'

export function whole(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new InvalidArgumentError('It takes a whole number.')
  return Number(value)
}

export function port(value: string): number {
  const number = whole(value)
  if (number > 65_535) throw new InvalidArgumentError('It takes a number from 0 to 65535.')
  return number
}

/** Collects the values of a repeated option. Not a list behind one option: that would swallow the words that follow it. */
export function several(value: string, before: string[] = []): string[] {
  return [...before, value]
}

/** Collects `key=value` pairs of a repeated option. */
export function pair(value: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = value.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It takes key=value.')
  return { ...before, [value.slice(0, at)]: value.slice(at + 1) }
}

/** Durations back from now, in the words of a shell. */
const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time: ISO 8601 with an offset, a day (midnight UTC), or how long ago: `90s`, `15m`, `2h`, `7d`. */
export function time(value: string): string {
  const ago = /^(\d{1,6})([smhd])$/.exec(value)
  if (ago !== null) return new Date(Date.now() - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0)).toISOString()
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(value)
  const date = new Date(iso ? value : Number.NaN)
  if (Number.isNaN(date.getTime())) throw new InvalidArgumentError('It takes a time such as 2026-01-31T09:45:00+04:00, a day, or how long ago: 90s, 15m, 2h, 7d.')
  return date.toISOString()
}
