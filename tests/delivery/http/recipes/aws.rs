//! `botocore/data/pinpoint-sms-voice-v2/2022-03-31/service-2.json` of boto/botocore, cd92077: `SendTextMessage`, by the
//! protocol JSON 1.0; behind a signer, which takes what libotp sends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use otp::Outcome;
use serde_json::json;
use testing::tool;
use testing::workspace::skip;

use super::page::Page;
use super::{Endpoint, InDoubt, NotTaken, PHONE, Recipe, Refused, create, holds, open};
use crate::http::server::Server;

fn recipe() -> Recipe {
    let body = json!({"type": "object", "required": ["DestinationPhoneNumber"], "additionalProperties": false,
        "properties": {
            "DestinationPhoneNumber": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,18}$", "maxLength": 20},
            "OriginationIdentity": {"type": "string", "pattern": r"^[A-Za-z0-9_:/+-]+$", "maxLength": 256},
            "MessageBody": {"type": "string", "minLength": 1, "maxLength": 1600},
            "MessageType": {"enum": ["TRANSACTIONAL", "PROMOTIONAL"]},
            "Keyword": {"type": "string"},
            "ConfigurationSetName": {"type": "string", "pattern": "^[A-Za-z0-9_:/-]+$", "maxLength": 256},
            "MaxPrice": {"type": "string", "pattern": r"^[0-9]{0,2}\.[0-9]{1,5}$"},
            "MessageFeedbackEnabled": {"type": "boolean"},
            "TimeToLive": {"type": "integer", "minimum": 5, "maximum": 259_200},
            // Of any names; the page reads this one.
            "Context": {"type": "object", "required": ["ref"], "additionalProperties": false,
                "properties": {"ref": {"type": "string", "minLength": 1, "maxLength": 800}}},
            "DestinationCountryParameters": {"type": "object"},
            "DryRun": {"type": "boolean"},
            "ProtectConfigurationId": {"type": "string"}}});
    Recipe {
        page: "aws",
        place: 0,
        origin: "http://127.0.0.1:8181",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/",
            headers: vec![
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
            ((502, "no answer from AWS"), InDoubt),
        ],
    }
}

#[test]
fn sms() {
    holds(&recipe());
}

/// Stops what it was started with.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the body is one of AWS's own model.
fn is_taken_by_the_model(python: &Path, body: &str) -> bool {
    let program = "import json, sys\n\
                   from botocore.session import get_session\n\
                   from botocore.validate import ParamValidator\n\
                   model = get_session().get_service_model('pinpoint-sms-voice-v2')\n\
                   shape = model.operation_model('SendTextMessage').input_shape\n\
                   body = json.loads(sys.argv[1])\n\
                   report = ParamValidator().validate(body, shape)\n\
                   sys.exit(report.has_errors() or not set(body) <= set(shape.members))";
    Command::new(python).args(["-c", program, body]).status().unwrap().success()
}

/// The signer of the page passes on what it is sent, with all that AWS wants signed, and what it is answered.
#[test]
fn the_signer_signs_what_it_is_sent() {
    let Some(python) = tool("python3") else { return };
    if !Command::new(&python).args(["-c", "import botocore"]).output().unwrap().status.success() {
        return skip("botocore is missing");
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/carriers/aws.md")).unwrap();
    let (_, program) = page.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let (aws, serve) = (Server::start(), "ThreadingHTTPServer((\"127.0.0.1\", 8181), Signer).serve_forever()");
    let serve_and_tell = "server = ThreadingHTTPServer((\"127.0.0.1\", 0), Signer)\n\
                          print(server.server_port, flush=True)\nserver.serve_forever()";
    assert!(program.contains(serve));
    let mut signer = Command::new(&python);
    signer.args(["-c", &program.replace(serve, serve_and_tell)]).stdout(Stdio::piped());
    signer.env("AWS_REGION", "eu-central-1").env("SMS_VOICE_URL", aws.url("/"));
    signer
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env_remove("AWS_SESSION_TOKEN");
    let mut signer = Stopped(signer.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(signer.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let mut recipe = recipe();
    let mut config = Page::read(recipe.page, recipe.place).configuration(&aws, recipe.origin);
    config["senders"]["aws"]["url"] = json!(format!("http://127.0.0.1:{}/", port.trim()));
    let (service, _) = open(&config);
    aws.answers(&[recipe.good]);
    assert_eq!(create(&service, &recipe, "t"), Outcome::Ok);
    let step = service.status("t").unwrap().status.unwrap().delivery.steps.unwrap().remove(0);
    assert_eq!(step.message_uuid.as_deref(), recipe.message_id);
    let received = aws.take_one();
    let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/[0-9]{8}/eu-central-1/sms-voice/aws4_request, \
                  SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=[0-9a-f]{64}";
    recipe.endpoint.headers.extend([("authorization", signed), ("x-amz-date", "[0-9]{8}T[0-9]{6}Z")]);
    assert_eq!(recipe.endpoint.objections(&received), [""; 0]);
    assert!(is_taken_by_the_model(&python, &received.body), "{}", received.body);
    assert!(!is_taken_by_the_model(&python, &received.body.replace("MessageBody", "Message")), "nothing is checked");
    // What AWS says of a message reaches the service: here, that it refuses it.
    aws.answers(&[(400, r#"{"__type": "ValidationException"}"#)]);
    assert_eq!(create(&service, &recipe, "u"), Outcome::Refused);
    assert_eq!(aws.take().len(), 1);
}
