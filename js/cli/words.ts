/** Figures as people read them. */

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

export function size(bytes: number): string {
  let unit = 0
  let figure = bytes
  while (figure >= 1024 && unit < UNITS.length - 1) {
    figure /= 1024
    unit += 1
  }
  return `${unit === 0 || figure >= 100 ? Math.round(figure) : figure.toFixed(1)} ${UNITS[unit] ?? ''}`
}

export function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`
}
