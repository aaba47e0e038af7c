/** The two languages, and how numbers, times and durations are written in them. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'

import { ar } from './words/ar.ts'
import { en, type Key } from './words/en.ts'

export type { Key }
export type Language = 'en' | 'ar'
const LOCALES = { en: 'en-GB', ar: 'ar-AE' } as const
const KEPT_AS = 'hl7-outbox-admin-language'

export interface Words {
  language: Language
  say: (key: Key, values?: Record<string, string | number>) => string
  /** A word that comes as data; as it is, if there is none for it. */
  named: (key: string, fallback: string) => string
  number: (value: number) => string
  percent: (value: number) => string
  time: (iso: string | null) => string
  duration: (ms: number) => string
}

export function wordsOf(language: Language): Words {
  const words: Record<string, string> = language === 'ar' ? ar : en
  const locale = LOCALES[language]
  const number = new Intl.NumberFormat(locale)
  const time = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' })
  const unit = (value: number, name: string): string => new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 1 }).format(value)
  return {
    language,
    say: (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? '')),
    named: (key, fallback) => (Object.hasOwn(words, key) ? (words[key] ?? fallback) : fallback),
    number: (value) => number.format(value),
    percent: (value) => new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 }).format(value),
    time: (iso) => (iso === null ? '–' : time.format(new Date(iso))),
    duration: (ms) => {
      if (ms < 1_000) return unit(Math.round(ms), 'millisecond')
      if (ms < 120_000) return unit(ms / 1_000, 'second')
      if (ms < 7_200_000) return unit(Math.round(ms / 60_000), 'minute')
      return ms < 172_800_000 ? unit(Math.round(ms / 3_600_000), 'hour') : unit(Math.round(ms / 86_400_000), 'day')
    },
  }
}

export function keptLanguage(): Language {
  try {
    const kept = localStorage.getItem(KEPT_AS)
    if (kept === 'en' || kept === 'ar') return kept
  } catch {
    // A browser that keeps nothing.
  }
  return navigator.language.startsWith('ar') ? 'ar' : 'en'
}

export function keep(language: Language): void {
  try {
    localStorage.setItem(KEPT_AS, language)
  } catch {
    // Then it is chosen again next time.
  }
}

export const InWords = createContext<Words>(wordsOf('en'))
export const useWords = (): Words => useContext(InWords)
