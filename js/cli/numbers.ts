/** Numbers and durations for people. */

export function count(number: number): string {
  return number.toLocaleString('en-US')
}

export function messages(number: number): string {
  return `${count(number)} ${number === 1 ? 'message' : 'messages'}`
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`
}

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
