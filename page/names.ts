/** Names of segments and fields, by HL7 2.5.1. The first of each line names the segment, the others its fields from 1. */
const TABLE = `
MSH:Message header|Field separator|Encoding characters|Sending application|Sending facility|Receiving application|Receiving facility|Date and time of message|Security|Message type|Message control id|Processing id|Version id|Sequence number|Continuation pointer|Accept acknowledgement type|Application acknowledgement type|Country code|Character set|Principal language|Alternate character set handling|Message profile identifier
EVN:Event type|Event type code|Recorded date and time|Planned date and time|Event reason code|Operator id|Event occurred|Event facility
PID:Patient identification|Set id|Patient id|Patient identifier list|Alternate patient id|Patient name|Mother's maiden name|Date and time of birth|Administrative sex|Patient alias|Race|Patient address|County code|Phone number, home|Phone number, business|Primary language|Marital status|Religion|Patient account number|SSN number|Driver's licence number|Mother's identifier|Ethnic group|Birth place|Multiple birth indicator|Birth order|Citizenship|Veterans military status|Nationality|Death date and time|Death indicator|Identity unknown indicator|Identity reliability code|Last update|Last update facility|Species code|Breed code|Strain|Production class code|Tribal citizenship
PD1:Additional demographics|Living dependency|Living arrangement|Patient primary facility|Patient primary care provider|Student indicator|Handicap|Living will code|Organ donor code|Separate bill|Duplicate patient|Publicity code|Protection indicator|Protection indicator effective date|Place of worship|Advance directive code|Immunization registry status
NK1:Next of kin|Set id|Name|Relationship|Address|Phone number|Business phone number|Contact role|Start date|End date|Job title|Job code|Employee number|Organization name|Marital status|Administrative sex|Date and time of birth
PV1:Patient visit|Set id|Patient class|Assigned patient location|Admission type|Preadmit number|Prior patient location|Attending doctor|Referring doctor|Consulting doctor|Hospital service|Temporary location|Preadmit test indicator|Re-admission indicator|Admit source|Ambulatory status|VIP indicator|Admitting doctor|Patient type|Visit number|Financial class|Charge price indicator|Courtesy code|Credit rating|Contract code|Contract effective date|Contract amount|Contract period|Interest code|Transfer to bad debt code|Transfer to bad debt date|Bad debt agency code|Bad debt transfer amount|Bad debt recovery amount|Delete account indicator|Delete account date|Discharge disposition|Discharged to location|Diet type|Servicing facility|Bed status|Account status|Pending location|Prior temporary location|Admit date and time|Discharge date and time|Current patient balance|Total charges|Total adjustments|Total payments|Alternate visit id|Visit indicator|Other healthcare provider
PV2:Patient visit, additional|Prior pending location|Accommodation code|Admit reason|Transfer reason|Patient valuables|Valuables location|Visit user code|Expected admit date|Expected discharge date|Estimated length of stay|Actual length of stay|Visit description|Referral source code|Previous service date|Employment illness related|Purge status code|Purge status date|Special program code|Retention indicator|Expected number of insurance plans|Visit publicity code|Visit protection indicator|Clinic organization name|Patient status code|Visit priority code
MRG:Merge patient information|Prior patient identifier list|Prior alternate patient id|Prior patient account number|Prior patient id|Prior visit number|Prior alternate visit id|Prior patient name
AL1:Allergy|Set id|Allergen type|Allergen code|Severity|Reaction|Identification date
DG1:Diagnosis|Set id|Coding method|Diagnosis code|Description|Date and time|Diagnosis type|Major diagnostic category|Diagnostic related group|DRG approval indicator|DRG grouper review code|Outlier type|Outlier days|Outlier cost|Grouper version|Priority|Diagnosing clinician|Classification|Confidential indicator|Attestation date|Diagnosis identifier|Action code
PR1:Procedure|Set id|Coding method|Procedure code|Description|Date and time|Functional type|Minutes|Anaesthesiologist|Anaesthesia code|Anaesthesia minutes|Surgeon|Practitioner|Consent code|Priority|Associated diagnosis code
IN1:Insurance|Set id|Plan id|Company id|Company name|Company address|Contact person|Phone number|Group number|Group name|Insured's group employer id|Insured's group employer name|Plan effective date|Plan expiration date|Authorization information|Plan type|Name of insured|Relationship to patient|Date of birth|Address
GT1:Guarantor|Set id|Guarantor number|Name|Spouse name|Address|Phone, home|Phone, business|Date and time of birth|Administrative sex|Type|Relationship
ORC:Common order|Order control|Placer order number|Filler order number|Placer group number|Order status|Response flag|Quantity and timing|Parent order|Date and time of transaction|Entered by|Verified by|Ordering provider|Enterer's location|Call back phone number|Order effective date and time|Order control code reason|Entering organization|Entering device|Action by|Advanced beneficiary notice code|Ordering facility name|Ordering facility address|Ordering facility phone|Ordering provider address|Order status modifier
OBR:Observation request|Set id|Placer order number|Filler order number|Universal service identifier|Priority|Requested date and time|Observation date and time|Observation end|Collection volume|Collector|Specimen action code|Danger code|Relevant clinical information|Specimen received|Specimen source|Ordering provider|Order call back phone|Placer field 1|Placer field 2|Filler field 1|Filler field 2|Results reported, status changed|Charge to practice|Diagnostic service section|Result status|Parent result|Quantity and timing|Result copies to|Parent|Transportation mode|Reason for study|Principal result interpreter|Assistant result interpreter|Technician|Transcriptionist|Scheduled date and time
OBX:Observation|Set id|Value type|Observation identifier|Observation sub-id|Observation value|Units|Reference range|Abnormal flags|Probability|Nature of abnormal test|Result status|Effective date of reference range|User defined access checks|Date and time of observation|Producer's id|Responsible observer|Observation method|Equipment instance|Date and time of analysis
NTE:Notes and comments|Set id|Source of comment|Comment|Comment type
SPM:Specimen|Set id|Specimen id|Parent ids|Specimen type|Type modifier|Additives|Collection method|Source site
TXA:Document header|Set id|Document type|Content presentation|Activity date and time|Primary activity provider|Origination date and time|Transcription date and time|Edit date and time|Originator|Assigned authenticator|Transcriptionist|Unique document number|Parent document number|Placer order number|Filler order number|Unique document file name|Completion status|Confidentiality status|Availability status|Storage status|Change reason|Authentication person and time|Distributed copies
RXA:Pharmacy administration|Give sub-id|Administration sub-id|Start of administration|End of administration|Administered code|Amount|Units|Dosage form|Notes|Administering provider|Location|Per time unit|Strength|Strength units|Lot number|Expiration date|Manufacturer|Refusal reason|Indication|Completion status|Action code|System entry date and time
RXE:Pharmacy encoded order|Quantity and timing|Give code|Give amount, minimum|Give amount, maximum|Give units|Give dosage form|Administration instructions|Deliver-to location|Substitution status|Dispense amount|Dispense units|Refills|Ordering provider's DEA|Pharmacist|Prescription number
RXO:Pharmacy order|Requested give code|Amount, minimum|Amount, maximum|Units|Dosage form|Pharmacy instructions|Administration instructions
RXR:Route|Route|Administration site|Administration device|Administration method|Routing instruction
SCH:Scheduling|Placer appointment id|Filler appointment id|Occurrence number|Placer group number|Schedule id|Event reason|Appointment reason|Appointment type|Duration|Duration units|Timing and quantity
MSA:Message acknowledgement|Acknowledgement code|Message control id|Text message|Expected sequence number|Delayed acknowledgement type|Error condition
ERR:Error|Error code and location|Error location|HL7 error code|Severity|Application error code|Application error parameter|Diagnostic information|User message|Inform person indicator|Override type|Override reason code|Help desk contact point
QRD:Query definition|Query date and time|Format code|Priority|Query id
QPD:Query parameters|Message query name|Query tag
FHS:File header
BHS:Batch header
BTS:Batch trailer
FTS:File trailer
`
const NAMES = new Map(
  TABLE.trim()
    .split('\n')
    .map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1).split('|')] as const
    }),
)

export const segmentName = (segment: string): string => NAMES.get(segment)?.[0] ?? ''
export const fieldName = (segment: string, n: number): string => NAMES.get(segment)?.[n] ?? ''
