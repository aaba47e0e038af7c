// Invented patients of an invented school.
const PATIENTS = [
  { mrn: '700001', familyName: 'Example', givenName: 'Noor', birthDate: '2014-03-05', sex: 'F' },
  { mrn: '700002', familyName: 'Sample', givenName: 'Sami', birthDate: '2012-11-21', sex: 'M' },
  { mrn: '700003', familyName: "O'Test & Sons", givenName: 'Zoë', birthDate: '2015-07-30', sex: 'F' },
  { mrn: '700004', familyName: 'مثال', givenName: 'ليلى', birthDate: '2013-01-09', sex: 'F' },
]
const REASONS = ['Headache', 'Scraped knee', 'Fever', 'Asthma check', 'Stomach ache']

/** The n-th visit: the patients take turns. */
export function inventVisit(n) {
  return {
    schoolId: `SCHOOL-${(n % 2) + 1}`,
    reason: REASONS[n % REASONS.length],
    patient: PATIENTS[n % PATIENTS.length],
    doctor: { id: 'GD0000', familyName: 'Doctor', givenName: 'Test' },
    assessment: { notes: 'Seen | examined.\nMay go back to class.', temperatureC: 36.5 + (n % 3), pulsePerMinute: 70 + n },
  }
}

export const patientCount = PATIENTS.length
