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
