"""The fields of the PassKit messages that the stand-in speaks, as its SDK's descriptors name them."""

from __future__ import annotations

from jobs.rehearsal.messages import BOOL, FLOAT, INT32, OBJECT, STRING, TEXTS, TIME, UINT32, UINT64, Message

PASS_STATUS = ("PASS_ISSUED", "PASS_INSTALLED", "PASS_UNINSTALLED", "PASS_INVALIDATED")
LIFECYCLE = (
    "NO_STATUS", "RENDERED", "INSTALLED_APPLE", "INSTALLED_GOOGLE", "INSTALLED_ANDROID_OTHER",
    "UNINSTALLED_APPLE", "UNINSTALLED_GOOGLE", "UNINSTALLED_ANDROID_OTHER", "APPLE_PASS_CREATED",
    "GOOGLE_PAY_RECORD_CREATED", "INVALIDATE_REQUESTED", "INVALIDATE_CONFIRMED",
    "PASS_PERSONALISATION_REQUESTED", "PASS_PERSONALISED", "PASS_ICLOUD_BOUND", "PASS_EMAIL_BOUNCED",
    "PASS_EMAIL_COMPLAINED",
)  # fmt: skip
DEVICES = (
    "NoAttributes", "Ios", "Android", "SupportWallet", "WalletScanner", "WalletDaemon", "WalletPasses",
    "Windows", "OSX", "Linux", "Mobile", "Desktop", "Tablet", "UnsupportedIos",
)  # fmt: skip
PROJECT_STATUS = (
    "NO_PROJECT_STATUS", "PROJECT_ACTIVE_FOR_OBJECT_CREATION", "PROJECT_DISABLED_FOR_OBJECT_CREATION",
    "PROJECT_DRAFT", "PROJECT_PUBLISHED", "PROJECT_PRIVATE", "PROJECT_OVER_QUOTA", "PROJECT_DELETED",
    "PROJECT_EMAIL_WARNING", "PROJECT_EMAIL_SUSPENDED",
)  # fmt: skip
PROTOCOL = (
    "PASS_PROTOCOL_DO_NOT_USE", "RAW_PROTOCOL", "V1_PROTOCOL", "FLIGHT_PROTOCOL", "MEMBERSHIP",
    "SINGLE_USE_COUPON", "EVENT_TICKETING",
)  # fmt: skip
TOGGLE = ("DO_NOT_USE", "ON", "OFF")
OPERATION = ("OPERATION_DO_NOT_USE", "OPERATION_PUT", "OPERATION_PATCH")
MEMBER_STATUS = ("ENROLLED", "ACTIVE", "CHECKED_IN", "EXPIRED", "CHECKED_OUT", "DELETED")
COUPON_STATUS = ("UNREDEEMED", "REDEEMED")
TICKET_STATUS = ("STATUS_NONE", "ISSUED", "REDEEMED")
PASSENGER_STATUS = (
    "ISSUED_NOT_CHECKED_IN", "ISSUED_CHECKED_IN", "BAGGAGE_CHECKED_PASSENGER_NOT_CHECKED_IN",
    "BAGGAGE_CHECKED_PASSENGER_CHECKED_IN", "PASSENGER_PASSED_SECURITY_CHECK", "PASSENGER_PASSED_GATE",
    "TRANSIT", "STANDBY", "BOARDING_DATA_REVALIDATION_DONE", "ORIGINAL_BOARDING_LINE_USED_AT_TICKET_ISSUANCE",
    "UP_OR_DOWN_GRADING_REQUIRED",
)  # fmt: skip

DATE = Message({"year": INT32, "month": INT32, "day": INT32})
PERSON = Message({
    "surname": STRING, "forename": STRING, "otherNames": [STRING], "salutation": STRING, "suffix": STRING,
    "displayName": STRING, "gender": ("NOT_KNOWN", "MALE", "FEMALE"), "dateOfBirth": DATE,
    "emailAddress": STRING, "mobileNumber": STRING, "externalId": STRING, "externalIds": TEXTS,
})  # fmt: skip
METADATA = Message({
    "status": PASS_STATUS, "lifecycleEvents": [LIFECYCLE], "utm": OBJECT, "altId": STRING,
    "issueIpAddress": STRING, "installIpAddress": STRING, "renderLocation": OBJECT, "renderIpAddress": STRING,
    "installUserAgent": STRING, "renderUserAgent": STRING, "installDeviceAttributes": [DEVICES],
    "renderDeviceAttributes": [DEVICES], "issueAt": TIME, "renderedAt": TIME, "firstInstalledAt": TIME,
    "lastInstalledAt": TIME, "firstUninstalledAt": TIME, "lastUninstalledAt": TIME, "invalidatedAt": TIME,
    "lastUpdatedAt": TIME,
})  # fmt: skip

MEMBER = Message({
    "id": STRING, "externalId": STRING, "groupingIdentifier": STRING, "tierId": STRING, "programId": STRING,
    "person": PERSON, "metaData": TEXTS, "optOut": BOOL, "points": FLOAT, "secondaryPoints": FLOAT,
    "tierPoints": UINT32, "expiryDate": TIME, "status": MEMBER_STATUS, "passOverrides": OBJECT,
    "passMetaData": METADATA, "notes": [OBJECT], "currentTierAwarded": TIME, "currentTierExpires": TIME,
    "created": TIME, "updated": TIME, "profileImage": STRING, "operation": OPERATION,
})  # fmt: skip
COUPON = Message({
    "id": STRING, "externalId": STRING, "offerId": STRING, "campaignId": STRING, "person": PERSON,
    "metaData": TEXTS, "sku": STRING, "optOut": BOOL, "status": COUPON_STATUS, "expiryDate": TIME,
    "redemptionDetails": OBJECT, "passOverrides": OBJECT, "passMetaData": METADATA, "created": TIME,
    "updated": TIME,
})  # fmt: skip
SHORT_PRODUCTION = Message({"id": STRING, "uid": STRING, "name": STRING})
TICKET = Message({
    "id": STRING, "ticketNumber": STRING,
    "event": Message({
        "id": STRING, "production": SHORT_PRODUCTION, "venue": OBJECT, "scheduledStartDate": TIME,
        "endDate": TIME,
    }),
    "ticketType": Message({"id": STRING, "uid": STRING, "productionId": STRING, "name": STRING}),
    "orderNumber": STRING, "groupingId": STRING, "barcodeContents": STRING,
    "seatInfo": Message({"seat": STRING, "row": STRING, "section": STRING, "gate": STRING}),
    "faceValue": Message({"amount": FLOAT, "currency": STRING}), "person": PERSON, "metaData": TEXTS,
    "optOut": TOGGLE, "status": TICKET_STATUS, "expiryDate": TIME, "redemptionDetails": OBJECT,
    "validateDetails": [OBJECT], "passOverrides": OBJECT, "passMetaData": METADATA, "created": TIME,
    "updated": TIME,
})  # fmt: skip
TICKET_ROW = Message(
    TICKET.fields
    | {
        "production": SHORT_PRODUCTION,
        "event": Message(
            {"id": STRING, "scheduledStartDate": TIME, "actualStartDate": TIME, "endDate": TIME}
        ),
        "venue": SHORT_PRODUCTION,
        "ticketType": SHORT_PRODUCTION,
        "optOut": BOOL,
    }
)
"""TicketLimitedFields, the row of ticket lists: here `optOut` is a boolean, in Ticket it is ON or OFF."""
BOARDING = Message({
    "id": STRING, "operatingCarrierPNR": STRING, "relatedPNRs": [STRING], "ticketNumber": STRING,
    "ticketLeg": INT32, "boardingPoint": STRING, "deplaningPoint": STRING, "carrierCode": STRING,
    "flightNumber": STRING, "departureDate": DATE, "passenger": Message({"passengerDetails": PERSON}),
    "class": STRING, "seatNumber": STRING, "sequenceNumber": INT32, "boardingGroup": STRING,
    "boardingPosition": STRING, "remarks": STRING, "passengerStatus": PASSENGER_STATUS,
    "barcodePayload": STRING,
    "additionalDataItems": Message({"items": TEXTS}), "metadata": METADATA,
})  # fmt: skip

PROGRAM = Message({
    "id": STRING, "name": STRING, "status": [PROJECT_STATUS], "passTypeIdentifier": STRING,
    "autoDeleteDaysAfterExpiry": UINT32, "expiryMessage": STRING,
    "pointsType": Message({
        "balanceType": ("BALANCE_TYPE_STRING", "BALANCE_TYPE_INT", "BALANCE_TYPE_DOUBLE",
        "BALANCE_TYPE_MONEY"), "currencyCode": STRING,
    }),
    "metrics": Message({
        "created": UINT64, "appleWalletInstalls": UINT64, "googlePayInstalls": UINT64,
        "otherAndroidInstalls": UINT64, "appleWalletUninstalls": UINT64, "googlePayUninstalls": UINT64,
        "otherAndroidUninstalls": UINT64, "invalidations": UINT64,
    }),
    "metaFieldsList": [STRING], "created": TIME, "updated": TIME,
    "profileImageSettings": (
        "PROFILE_IMAGE_NONE", "PROFILE_IMAGE_OPTIONAL", "PROFILE_IMAGE_REQUIRED", "PROFILE_IMAGE_RESTRICTED",
    ),
})  # fmt: skip
TIER = Message({
    "id": STRING, "tierIndex": UINT32, "name": STRING, "secondaryTierName": STRING, "programId": STRING,
    "passTemplateId": STRING, "tierUpgradeMessage": STRING, "tierDowngradeMessage": STRING, "created": TIME,
    "updated": TIME, "pointsOverdrawn": BOOL, "secondaryPointsOverdrawn": BOOL, "timezone": STRING,
    "shortCode": STRING,
})  # fmt: skip
CAMPAIGN = Message({
    "id": STRING, "name": STRING, "status": [PROJECT_STATUS], "passTypeIdentifier": STRING,
    "ianaTimezone": STRING, "created": TIME, "updated": TIME,
})  # fmt: skip
OFFER = Message({
    "id": STRING, "offerTitle": STRING, "offerShortTitle": STRING, "offerDetails": STRING,
    "offerFinePrint": STRING, "beforeRedeemPassTemplateId": STRING, "afterRedeemPassTemplateId": STRING,
    "issueStartDate": TIME, "issueEndDate": TIME, "created": TIME, "updated": TIME, "campaignId": STRING,
    "shortCode": STRING, "ianaTimezone": STRING, "disabled": BOOL,
})  # fmt: skip
PRODUCTION = Message({
    "id": STRING, "uid": STRING, "name": STRING, "finePrint": STRING,
    "autoInvalidateTicketsUponRedemption": TOGGLE, "autoInvalidateTicketsUponEventEnd": TOGGLE,
    "status": [PROJECT_STATUS], "passTypeIdentifier": STRING, "created": TIME, "updated": TIME,
})  # fmt: skip
TICKET_TYPE = Message({
    "id": STRING, "uid": STRING, "productionId": STRING, "name": STRING, "ticketTypeConditions": STRING,
    "beforeRedeemPassTemplateId": STRING, "afterRedeemPassTemplateId": STRING, "created": TIME,
    "updated": TIME,
})  # fmt: skip

DATA_FIELD = Message({
    "uniqueName": STRING, "templateId": STRING,
    "fieldType": ("FIELD_TYPE_NONE", "META", "PII", "UNIVERSAL_FIELDS", "PROTOCOL_FIELDS", "CUSTOM_FIELDS"),
    "isRequired": BOOL, "label": STRING,
    "dataType": (
        "DATA_TYPE_NONE", "TEXT", "TEXT_LONG", "DATE_YYYYMMDD", "DATE_YYYYMM", "DATE_MMDD", "TIME",
        "DATE_TIME", "INT", "NUMBER", "EMAIL", "URL", "TEL", "ADDRESS", "IMAGE", "CURRENCY", "BOOLEAN",
        "OPTIONS", "DATE_MM",
    ),
    "defaultValue": STRING, "validation": STRING, "userCanSetValue": BOOL, "currencyCode": STRING,
    "appleWalletFieldRenderOptions": Message({
        "textAlignment": ("TEXT_ALIGNMENT_DO_NOT_USE", "LEFT", "CENTER", "RIGHT", "NATURAL"),
        "positionSettings": Message({
            "section": (
                "FIELD_SECTION_DO_NOT_USE", "BACK_FIELDS", "PRIMARY_FIELDS", "SECONDARY_FIELDS",
                "AUXILIARY_FIELDS", "HEADER_FIELDS", "ADDITIONAL_FIELDS", "FOOTER_FIELDS",
            ),
            "priority": UINT32,
        }),
        "changeMessage": STRING,
        "localizedChangeMessage": Message({"translations": TEXTS}),
        "ignoreTimezone": BOOL, "isRelativeDate": BOOL,
    }),
    "usage": [("NO_USAGE", "USAGE_APPLE_WALLET", "USAGE_GOOGLE_PAY", "USAGE_DATA_COLLECTION_PAGE")],
})  # fmt: skip
TEMPLATE = Message({
    "id": STRING, "name": STRING, "protocol": PROTOCOL, "revision": UINT32, "organizationName": STRING,
    "description": STRING, "data": Message({"dataFields": [DATA_FIELD]}), "imageIds": OBJECT,
    "colors": OBJECT, "barcode": OBJECT, "appleWalletSettings": OBJECT, "googlePaySettings": OBJECT,
    "locations": [OBJECT], "beacons": [OBJECT], "links": [OBJECT], "timezone": STRING,
})  # fmt: skip
TEMPLATE_RESPONSE = Message({
    "template": TEMPLATE, "Name": STRING, "ownerUsername": STRING, "protocol": PROTOCOL, "revision": UINT32,
    "createdAt": TIME, "updatedAt": TIME,
})  # fmt: skip

FILTERS = Message({
    "limit": INT32, "offset": INT32,
    "filterGroups": [Message({
        "condition": ("AND", "OR"),
        "fieldFilters": [
            Message({"filterField": STRING, "filterValue": STRING, "filterOperator": STRING})
        ],
    })],
    "orderBy": STRING, "orderAsc": BOOL,
})  # fmt: skip
LIST_REQUEST = Message({
    "programId": STRING, "campaignId": STRING, "productionId": STRING, "productionUid": STRING,
    "eventId": STRING, "ticketTypeId": STRING, "filters": FILTERS, "emailAsCsv": BOOL,
})  # fmt: skip
BOARDING_REQUEST = Message({
    "passId": Message({"id": STRING}),
    "ticketNumber": Message({"ticketNumber": STRING, "ticketLeg": INT32, "boardingPoint": STRING}),
    "index": Message({
        "carrierCode": STRING, "flightNumber": STRING, "departureDate": DATE, "boardingPoint": STRING,
        "sequenceNumber": INT32,
    }),
})  # fmt: skip
