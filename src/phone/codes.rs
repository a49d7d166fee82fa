//! The world's calling codes (ITU-T E.164), as far as they have numbers that can receive a message.
//!
//! A test holds the table against the metadata of the `phonenumber` crate, which itself would cost the
//! library 2.5 MB.

use Trunk::{Eight, Kept, None, One, Zero, ZeroSix};

/// What is dialled before a national number, and is no part of the international one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trunk {
    /// Nothing.
    None,
    /// Nothing, and a 0 at the beginning is part of the number.
    Kept,
    /// `0`.
    Zero,
    /// `8`.
    Eight,
    /// `06`.
    ZeroSix,
    /// `1`.
    One,
}

impl Trunk {
    /// The digits.
    pub fn digits(self) -> &'static str {
        match self {
            None | Kept => "",
            Zero => "0",
            Eight => "8",
            ZeroSix => "06",
            One => "1",
        }
    }
}

/// A calling code, and what its numbers look like.
pub struct CallingCode {
    /// 1 to 3 digits.
    pub code: u16,
    /// A bit for every number of digits, without the calling code, that a number has which can receive a message.
    lengths: u16,
    /// What is dialled before such a number within the country.
    pub trunk: Trunk,
}

impl CallingCode {
    /// The one that a number, in digits, begins with, and the rest of the number. No code is the beginning of another.
    pub fn split(digits: &str) -> Option<(&'static Self, &str)> {
        (1..=3).find_map(|length| {
            let (code, rest) = digits.split_at_checked(length)?;
            Some((Self::named(code)?, rest))
        })
    }

    /// The one with these digits.
    pub fn named(code: &str) -> Option<&'static Self> {
        let number: u16 = code.parse().ok()?;
        let place = CODES.binary_search_by_key(&number, |known| known.code).ok()?;
        CODES.get(place).filter(|_| !code.starts_with(['0', '+']))
    }

    /// Whether a number with this code, of these digits without it, can receive a message.
    pub fn has(&self, national: &str) -> bool {
        self.has_length(national.len()) && (self.trunk == Kept || !national.starts_with('0'))
    }

    fn has_length(&self, digits: usize) -> bool {
        u32::try_from(digits).ok().and_then(|digits| self.lengths.checked_shr(digits)).is_some_and(|bits| bits & 1 == 1)
    }
}

const fn row(code: u16, mut lengths: &[u8], trunk: Trunk) -> CallingCode {
    let mut bits = 0;
    while let [length, others @ ..] = lengths {
        bits |= 1 << *length;
        lengths = others;
    }
    CallingCode { code, lengths: bits, trunk }
}

/// By code. Zones without a number that can receive a message, such as 800, are not there.
#[rustfmt::skip]
static CODES: [CallingCode; 209] = [
    row(1, &[10], One), row(7, &[10], Eight), row(20, &[10], Zero),
    row(27, &[5, 6, 7, 8, 9], Zero), row(30, &[10], None), row(31, &[9, 11], Zero),
    row(32, &[9], Zero), row(33, &[9], Zero), row(34, &[9], None),
    row(36, &[9], ZeroSix), row(39, &[9, 10], Kept), row(40, &[9], Zero),
    row(41, &[9], Zero), row(43, &[7, 8, 9, 10, 11, 12, 13], Zero), row(44, &[10], Zero),
    row(45, &[8], None), row(46, &[9], Zero), row(47, &[8], None),
    row(48, &[9], None), row(49, &[10, 11], Zero), row(51, &[9], Zero),
    row(52, &[10], None), row(53, &[8], Zero), row(54, &[10, 11], Zero),
    row(55, &[10, 11], Zero), row(56, &[9], None), row(57, &[10], Zero),
    row(58, &[10], Zero), row(60, &[9, 10], Zero), row(61, &[9], Zero),
    row(62, &[9, 10, 11, 12], Zero), row(63, &[10], Zero), row(64, &[8, 9, 10], Zero),
    row(65, &[8], None), row(66, &[9], Zero), row(81, &[10], Zero),
    row(82, &[9, 10], Zero), row(84, &[9], Zero), row(86, &[11], Zero),
    row(90, &[10], Zero), row(91, &[10], Zero), row(92, &[10], Zero),
    row(93, &[9], Zero), row(94, &[9], Zero), row(95, &[7, 8, 9, 10], Zero),
    row(98, &[10], Zero), row(211, &[9], Zero), row(212, &[9], Zero),
    row(213, &[9], Zero), row(216, &[8], None), row(218, &[9], Zero),
    row(220, &[7], None), row(221, &[9], None), row(222, &[8], None),
    row(223, &[8], None), row(224, &[9], None), row(225, &[10], Kept),
    row(226, &[8], Kept), row(227, &[8], None), row(228, &[8], None),
    row(229, &[10], Kept), row(230, &[8], None), row(231, &[7, 9], Zero),
    row(232, &[8], Zero), row(233, &[9], Zero), row(234, &[10], Zero),
    row(235, &[8], None), row(236, &[8], None), row(237, &[9], None),
    row(238, &[7], None), row(239, &[7], None), row(240, &[9], None),
    row(241, &[8], Zero), row(242, &[9], Kept), row(243, &[7, 9], Zero),
    row(244, &[9], None), row(245, &[9], None), row(246, &[7], None),
    row(247, &[5], None), row(248, &[7], None), row(249, &[9], Zero),
    row(250, &[9], Zero), row(251, &[9], Zero), row(252, &[7, 8, 9], Zero),
    row(253, &[8], None), row(254, &[9], Zero), row(255, &[9], Zero),
    row(256, &[9], Zero), row(257, &[8], None), row(258, &[9], None),
    row(260, &[9], Zero), row(261, &[9], Zero), row(262, &[9], Zero),
    row(263, &[9], Zero), row(264, &[9], Zero), row(265, &[9], Zero),
    row(266, &[8], None), row(267, &[8], None), row(268, &[8], None),
    row(269, &[7], None), row(290, &[5], None), row(291, &[7], Zero),
    row(297, &[7], None), row(298, &[6], None), row(299, &[6], None),
    row(350, &[8], None), row(351, &[9], None), row(352, &[9], None),
    row(353, &[9], Zero), row(354, &[7, 9], None), row(355, &[9], Zero),
    row(356, &[8], None), row(357, &[8], None), row(358, &[6, 7, 8, 9, 10], Zero),
    row(359, &[8, 9], Zero), row(370, &[8], Zero), row(371, &[8], None),
    row(372, &[7, 8], None), row(373, &[8], Zero), row(374, &[8], Zero),
    row(375, &[9], Eight), row(376, &[6, 9], None), row(377, &[8, 9], Zero),
    row(378, &[8], None), row(380, &[9], Zero), row(381, &[8, 9, 10], Zero),
    row(382, &[8], Zero), row(383, &[8], Zero), row(385, &[8, 9], Zero),
    row(386, &[8], Zero), row(387, &[8, 9], Zero), row(389, &[8], Zero),
    row(420, &[9], None), row(421, &[9], Zero), row(423, &[7, 9], Zero),
    row(500, &[5], None), row(501, &[7], None), row(502, &[8], None),
    row(503, &[8], None), row(504, &[8], None), row(505, &[8], None),
    row(506, &[8], None), row(507, &[7, 8], None), row(508, &[6, 9], Zero),
    row(509, &[8], None), row(590, &[9], Zero), row(591, &[8], Zero),
    row(592, &[7], None), row(593, &[9], Zero), row(594, &[9], Zero),
    row(595, &[9], Zero), row(596, &[9], Zero), row(597, &[7], None),
    row(598, &[8], Zero), row(599, &[7, 8], None), row(670, &[8], None),
    row(672, &[6], None), row(673, &[7], None), row(674, &[7], None),
    row(675, &[8], None), row(676, &[7], None), row(677, &[5, 7], None),
    row(678, &[7], None), row(679, &[7], None), row(680, &[7], None),
    row(681, &[6], None), row(682, &[5], None), row(683, &[4, 7], None),
    row(685, &[7, 10], None), row(686, &[8], Zero), row(687, &[6], None),
    row(688, &[6, 7], None), row(689, &[8], None), row(690, &[4, 5, 6, 7], None),
    row(691, &[7], None), row(692, &[7], One), row(850, &[10], Zero),
    row(852, &[8], None), row(853, &[8], None), row(855, &[8, 9], Zero),
    row(856, &[9, 10], Zero), row(870, &[9, 12], None), row(880, &[10], Zero),
    row(881, &[9, 10], Kept), row(882, &[7, 8, 9, 10, 12], None), row(886, &[9], Zero),
    row(960, &[7], None), row(961, &[7, 8], Zero), row(962, &[9], Zero),
    row(963, &[9], Zero), row(964, &[10], Zero), row(965, &[8], None),
    row(966, &[9], Zero), row(967, &[9], Zero), row(968, &[8], None),
    row(970, &[9], Zero), row(971, &[9], Zero), row(972, &[9], Zero),
    row(973, &[8], None), row(974, &[8], None), row(975, &[8], None),
    row(976, &[8], Zero), row(977, &[10], Zero), row(992, &[9], Kept),
    row(993, &[8], Eight), row(994, &[9], Zero), row(995, &[9], Zero),
    row(996, &[9], Zero), row(998, &[9], None),
];
