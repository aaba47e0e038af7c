/** Where in the page one is: behind the #, so that no filter and no id reaches a server's log. */
import { useEffect, useState } from 'preact/hooks'

export interface Place {
  room: 'overview' | 'messages' | 'refusals' | 'message'
  id: string
  query: URLSearchParams
}

function here(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [room, id = ''] = path.split('/')
  const known = room === 'messages' || room === 'refusals' || (room === 'message' && id !== '') ? room : 'overview'
  return { room: known, id: decoded(id), query: new URLSearchParams(query) }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const to = (room: string, query?: Record<string, string> | URLSearchParams): string => {
  const text = new URLSearchParams(query).toString()
  return `#/${room}${text === '' ? '' : `?${text}`}`
}
export const toMessage = (id: string): string => `#/message/${encodeURIComponent(id)}`

export function usePlace(): Place {
  const [place, set] = useState(here)
  useEffect(() => {
    const moved = (): void => set(here())
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  return place
}
