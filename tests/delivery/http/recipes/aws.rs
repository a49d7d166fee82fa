//! `botocore/data/pinpoint-sms-voice-v2/2022-03-31/service-2.json` of boto/botocore, cd92077: `SendTextMessage`, by the
//! protocol JSON 1.0; behind a signer, which takes what libotp sends.

use serde_json::json;

use super::{Endpoint, InDoubt, NotTaken, PHONE, Recipe, Refused, holds};

#[test]
fn sms() {
    let body = json!({"type": "object", "required": ["DestinationPhoneNumber"], "additionalProperties": false,
        "properties": {
            "DestinationPhoneNumber": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,18}$", "maxLength": 20},
            "OriginationIdentity": {"type": "string", "pattern": r"^[A-Za-z0-9_:/+-]+$", "maxLength": 256},
            "MessageBody": {"type": "string", "minLength": 1, "maxLength": 1600},
            "MessageType": {"enum": ["TRANSACTIONAL", "PROMOTIONAL"]},
            "Keyword": {"type": "string"},
            "ConfigurationSetName": {"type": "string", "pattern": "^[A-Za-z0-9_:/-]+$", "maxLength": 256},
            "MaxPrice": {"type": "string"},
            "TimeToLive": {"type": "integer", "minimum": 5, "maximum": 259_200},
            // Of any names; the page reads this one.
            "Context": {"type": "object", "required": ["ref"], "additionalProperties": false,
                "properties": {"ref": {"type": "string", "minLength": 1, "maxLength": 100}}},
            "DestinationCountryParameters": {"type": "object"},
            "DryRun": {"type": "boolean"},
            "ProtectConfigurationId": {"type": "string"}}});
    holds(&Recipe {
        page: "aws",
        place: 0,
        origin: "http://127.0.0.1:8181",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/",
            headers: &[
                ("content-type", r"application/x-amz-json-1\.0"),
                ("x-amz-target", r"PinpointSMSVoiceV2\.SendTextMessage"),
            ],
            body,
        },
        good: (200, r#"{"MessageId": "862a8790-60c0-4430-9b2b-658bd0000000"}"#),
        message_id: Some("862a8790-60c0-4430-9b2b-658bd0000000"),
        answers: &[
            (
                (400, r#"{"__type": "com.amazonaws.pinpointsmsvoicev2#ThrottlingException", "Message": "slow"}"#),
                NotTaken,
            ),
            ((400, r#"{"__type": "ThrottlingException", "Message": "slow"}"#), NotTaken),
            ((400, r#"{"__type": "ValidationException", "Reason": "INVALID_PARAMETER"}"#), Refused),
            (
                (
                    400,
                    r#"{"__type": "com.amazonaws.pinpointsmsvoicev2#ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT"}"#,
                ),
                Refused,
            ),
            ((400, r#"{"__type": "com.amazonaws.pinpointsmsvoicev2#AccessDeniedException"}"#), Refused),
            ((400, r#"{"__type": "ResourceNotFoundException"}"#), Refused),
            (
                (
                    400,
                    r#"{"__type": "ServiceQuotaExceededException", "Reason": "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"}"#,
                ),
                Refused,
            ),
            ((500, r#"{"__type": "com.amazonaws.pinpointsmsvoicev2#InternalServerException"}"#), InDoubt),
            ((400, r#"{"__type": "com.amazon.coral.service#InvalidSignatureException"}"#), InDoubt),
            ((502, "unable to proxy request"), InDoubt),
        ],
    });
}
